"""Accuracy against what it takes as a figure, one panel a target: `pareto.svg` against latency, `cost.svg` against device time."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from sweeps.report.statistics import Estimate
from sweeps.report.wording import points as written
from sweeps.results import PairId

_WIDTH, _HEIGHT = 460.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 60.0, 26.0, 40.0
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a67c00", "#3aa0d8", "#7a5cc7", "#555b61")


class Pareto(NamedTuple):
    """One point of accuracy against what it takes."""

    pair: PairId
    taken: float
    score: Estimate
    is_best: bool
    """No other of its target takes less and is better."""


class Scale(NamedTuple):
    """What accuracy is drawn against."""

    label: str
    """Below the axis."""
    write: Callable[[float], str]
    """A value with its unit."""


LATENCY = Scale("median a batch (mean over settings)", lambda taken: f"{taken:.3g} ms")
COST = Scale("device time", lambda taken: f"{taken / 60:.3g} min")


def frontier(points: Mapping[PairId, tuple[float, Estimate]]) -> tuple[Pareto, ...]:
    """The points, each with whether another of its target is as good in both and better in one."""
    return tuple(
        Pareto(
            pair,
            taken,
            score,
            not any(
                other.target == pair.target
                and other_taken <= taken
                and other_score.value >= score.value
                and (other_taken, other_score.value) != (taken, score.value)
                for other, (other_taken, other_score) in points.items()
            ),
        )
        for pair, (taken, score) in points.items()
    )


def to_svg(found: Sequence[Pareto], scale: Scale) -> bytes:
    """The same bytes for the same points; a point that no other of its target beats in both is filled, the others are hollow."""
    targets = list(dict.fromkeys(point.pair.target for point in found))
    panels = [_panel(target, [point for point in found if point.pair.target == target], row, scale) for row, target in enumerate(targets)]
    height = _HEIGHT * max(1, len(targets))
    name = f"Accuracy against {scale.label}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" aria-label="{name}"'
    return "\n".join([f'{head} font-family="system-ui, sans-serif" font-size="11">', *panels, "</svg>\n"]).encode()


def _panel(target: str, found: Sequence[Pareto], row: int, scale: Scale) -> str:
    xs = [math.log(point.taken) for point in found]
    ys = [bound for point in found for bound in (point.score.low, point.score.high)]
    x_span, y_span = _padded(min(xs), max(xs), 0.01), _padded(min(ys), max(ys), 0.005)
    lines = [f'<g transform="translate(0 {row * _HEIGHT:g})" fill="currentColor">']
    lines.append(f'<text x="{_LEFT:g}" y="15" font-weight="bold">{escape(target)}</text>')
    lines += _axes(x_span, y_span, scale)
    has_models = len({point.pair.model for point in found}) > 1
    for place, point in enumerate(found):
        colour = COLOURS[place % len(COLOURS)]
        x, y = _x(math.log(point.taken), x_span), _y(point.score.value, y_span)
        low, high = _y(point.score.low, y_span), _y(point.score.high, y_span)
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" style="stroke: {colour}"/>')
        title = f"{_name(point.pair)}: {written(point.score.value)} at {scale.write(point.taken)}"
        fill = colour if point.is_best else "none"
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{colour}"><title>{escape(title)}</title></circle>')
        lines.append(_label(_name(point.pair) if has_models else short_name(point.pair), x, y))
    return "\n".join([*lines, "</g>"])


def _label(name: str, x: float, y: float) -> str:
    """On the side of its point that has more room."""
    is_left = x > (_LEFT + _WIDTH - _RIGHT) / 2
    side = f'x="{x - 8:.1f}" text-anchor="end"' if is_left else f'x="{x + 8:.1f}"'
    return f'<text {side} y="{y + 4:.1f}">{escape(name)}</text>'


def _name(pair: PairId) -> str:
    return f"{pair.model}: {short_name(pair)}"


def short_name(pair: PairId) -> str:
    """Without the model."""
    return pair.intermediate + (f" [{pair.variant}]" if pair.variant != "base" else "")


def _axes(x_span: tuple[float, float], y_span: tuple[float, float], scale: Scale) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    lines = [f'<line x1="{_LEFT:g}" x2="{right:g}" y1="{bottom:g}" y2="{bottom:g}" stroke="currentColor" opacity="0.4"/>']
    for share in (0.0, 0.5, 1.0):
        log_taken, score = (low + share * (high - low) for low, high in (x_span, y_span))
        x, taken = _x(log_taken, x_span), scale.write(math.exp(log_taken))
        lines.append(f'<text x="{x:.1f}" y="{bottom + 14:g}" text-anchor="middle">{taken}</text>')
        lines.append(f'<text x="{_LEFT - 6:g}" y="{_y(score, y_span) + 4:.1f}" text-anchor="end">{written(score)}</text>')
    lines.append(f'<text x="{right:g}" y="{bottom + 30:g}" text-anchor="end">{scale.label}</text>')
    return lines


def _padded(low: float, high: float, least: float) -> tuple[float, float]:
    padding = max(0.1 * (high - low), least)
    return low - padding, high + padding


def _x(value: float, span: tuple[float, float]) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - span[0]) / (span[1] - span[0])


def _y(value: float, span: tuple[float, float]) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - span[0]) / (span[1] - span[0])
