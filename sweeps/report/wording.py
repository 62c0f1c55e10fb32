"""How numbers are written for people: points of a hundred, always with their interval."""

from sweeps.report.statistics import Estimate


def points(fraction: float) -> str:
    """A score: `64.3`."""
    return f"{_round(fraction):.1f}"


def signed(fraction: float) -> str:
    """A difference: `+3.1`, with a minus sign that is as wide as the plus."""
    return f"{_round(fraction):+.1f}".replace("-", "−")


def ratio(number: float) -> str:
    """A number about 1 or below: `0.42`, with a wide minus sign."""
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "−")


def interval(estimate: Estimate, is_signed: bool) -> str:
    """`[+1.9, +4.3]` or `[61.9, 64.3]`."""
    write = signed if is_signed else points
    return f"[{write(estimate.low)}, {write(estimate.high)}]"


def half_width(estimate: Estimate) -> str:
    """`1.2`: half of the interval, which is about symmetric; the bounds themselves are in matrix.csv and report.html."""
    return points((estimate.high - estimate.low) / 2)


def gain_phrase(gain: Estimate, replicate: str) -> str:
    """A difference with all that it rests on."""
    return f"{signed(gain.value)} {basis(gain, replicate)}"


def basis(gain: Estimate, replicate: str) -> str:
    """What follows a difference: its unit and all that it rests on."""
    return f"points (95% interval {signed(gain.low)} to {signed(gain.high)}; {sample(gain, replicate)})"


def sample(estimate: Estimate, replicate: str) -> str:
    """`3 seeds, 2,000 test examples`; a `replicate` is a seed or an encoder."""
    return f"{count(estimate.num_seeds, replicate)}, {count(estimate.num_examples, 'test example')}"


def count(number: int, noun: str) -> str:
    """`1 seed`, `2,000 seeds`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listing(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _round(fraction: float) -> float:
    # Adding zero turns -0.0 into 0.0.
    return round(100 * fraction, 1) + 0.0
