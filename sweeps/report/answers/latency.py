"""Whether intermediate training changes the latency of inference, beside what it gains."""

from collections import Counter

from sweeps.report.answers import Answer, Evidence
from sweeps.report.latency import PairRows
from sweeps.report.tables import Table
from sweeps.report.wording import count, interval, listing, signed


def answer(evidence: Evidence) -> Answer:
    """The verdict on every pair, and how far the ratios lie from 1."""
    finished = [each for each in evidence.timed if each.overall is not None]
    tables = (_table(finished),)
    if not finished:
        return Answer("No latency is compared yet.", tables)
    verdicts = Counter(each.overall.verdict for each in finished if each.overall is not None)
    found = listing([f"{number} {verdict}" for verdict, number in verdicts.items()])
    ratios = sorted(((each.overall.ratio, each) for each in finished if each.overall is not None), key=lambda one: one[0])
    ends = " to ".join(_ratio(each) for _, each in (ratios[0], ratios[-1])) if len(ratios) > 1 else _ratio(ratios[0][1])
    first = finished[0]
    assert first.overall is not None, "finished ones are compared"
    text = (
        f"Of {count(len(finished), 'pair')} whose latency with and without intermediate training was compared, by two one-sided tests "
        f"with a margin of {100 * first.overall.margin:g}%, {found}. Latency with intermediate training over latency without is {ends}, "
        f"each from {count(first.overall.num_blocks, 'block')} in which both models were loaded anew; 95% intervals. {_gains(finished)}"
    )
    return Answer(text, tables)


def _ratio(each: PairRows) -> str:
    assert each.overall is not None, "finished ones are compared"
    return f"{each.overall.ratio:.3f} [{each.overall.low:.3f}, {each.overall.high:.3f}] ({each.result.pair})"


def _gains(finished: list[PairRows]) -> str:
    gained = [(each, each.gain) for each in finished if each.gain is not None]
    if not gained:
        return "What is gained in accuracy is not measured yet."
    each, gain = max(gained, key=lambda one: one[1].value)
    return f"The largest gain in accuracy beside it is {signed(gain.value)} {interval(gain, True)} points ({each.result.pair})."


def _table(finished: list[PairRows]) -> Table:
    columns = ("pair", "ratio over all settings", "verdict", "gain", "checkpoint", "parameters")
    return Table("latency", "Latency with intermediate training over latency without", columns, tuple(_row(each) for each in finished))


def _row(each: PairRows) -> tuple[str, ...]:
    assert each.overall is not None, "finished ones are compared"
    compared = each.overall
    return (
        str(each.result.pair),
        f"{compared.ratio:.3f} [{compared.low:.3f}, {compared.high:.3f}]",
        compared.verdict,
        "" if each.gain is None else f"{signed(each.gain.value)} {interval(each.gain, True)}",
        f"{each.checkpoint_bytes / 2**20:,.1f} MiB",
        f"{each.num_parameters:,.0f}",
    )
