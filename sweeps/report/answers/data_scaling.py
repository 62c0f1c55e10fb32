"""Data size against synthetic data: a power law for each source of intermediate examples, and what one human example is worth."""

from typing import NamedTuple

import numpy as np

from sweeps.report.answers import Answer, Evidence
from sweeps.report.answers.averages import Average, average, difference, score, with_intermediate
from sweeps.report.answers.power_law import EXCHANGE_RATES_K, Crossing, Interval, Law, crossing, draw_scores, exchange_rate, fit
from sweeps.report.answers.trainings import encoder_trainings, num_task_examples
from sweeps.report.data_use import stages_of
from sweeps.report.statistics import Estimate, estimate, estimate_score
from sweeps.report.tables import Table
from sweeps.report.wording import count, points, signed
from sweeps.report.wording import interval as interval_words
from sweeps.results import PairResult

MIN_SIZES = 3
"""A law has three numbers."""


class Size(NamedTuple):
    """One size of one source, over all targets."""

    source: str
    num_examples: int
    score: Average
    gain: Average | None


class Comparison(NamedTuple):
    """A synthetic source beside the human one."""

    rate: Interval
    """Synthetic examples that are worth one human example."""
    crossing: Crossing


def answer(evidence: Evidence, human: str, synthetic: tuple[str, ...]) -> Answer:
    """How the score grows with examples, and how many synthetic ones are worth a human one."""
    sentences: list[str] = []
    tables = []
    for model in dict.fromkeys(found.pair.model for found in evidence.result.pairs):
        sizes = {source: _sizes(evidence, model, source) for source in (human, *synthetic)}
        sentences.append(paragraph(model, human, sizes))
        tables.append(_table(model, sizes))
    return Answer(" ".join(sentences), tuple(tables))


def _sizes(evidence: Evidence, model: str, source: str) -> list[Size]:
    """The finished sizes of a source, the smallest first."""
    stages = stages_of(evidence.result)
    by_size: dict[int, list[PairResult]] = {}
    for found in with_intermediate(evidence):
        trainings = encoder_trainings(found, stages)
        if (found.pair.model, found.pair.intermediate) == (model, source) and trainings:
            by_size.setdefault(num_task_examples(trainings[0]), []).append(found)
    sizes = []
    for number, pairs in sorted(by_size.items()):
        scores = average((found.pair, score(evidence, found.pair)) for found in pairs)
        if scores is not None:
            gains = average((found.pair, difference(evidence, found.pair, found.baseline)) for found in pairs)
            sizes.append(Size(source, number, scores, gains))
    return sizes


def _laws(sizes: dict[str, list[Size]]) -> dict[str, Law]:
    """Of the sources that have enough sizes."""
    return {source: _law(found) for source, found in sizes.items() if len(found) >= MIN_SIZES}


def _law(sizes: list[Size]) -> Law:
    return fit(np.array([size.num_examples for size in sizes], dtype=np.float64), draw_scores([size.score.resampled for size in sizes]))


def _compare(human: list[Size], synthetic: list[Size]) -> Comparison:
    both = [*human, *synthetic]
    sizes_P = np.array([size.num_examples for size in both], dtype=np.float64)
    is_synthetic_P = np.array([size.source == synthetic[0].source for size in both])
    # drawn together, for the sources share their test examples and not their seeds
    scores_RP = draw_scores([size.score.resampled for size in both])
    human_law, synthetic_law = (fit(sizes_P[of_P], scores_RP[:, of_P]) for of_P in (~is_synthetic_P, is_synthetic_P))
    rate = exchange_rate(sizes_P, is_synthetic_P, scores_RP)
    return Comparison(rate, crossing(human_law, synthetic_law, sizes_P.min(), sizes_P.max()))


def paragraph(model: str, human: str, sizes: dict[str, list[Size]]) -> str:
    """Of one model, by source its sizes, the smallest first."""
    laws = _laws(sizes)
    if human not in laws:
        return f"{model}: fewer than {MIN_SIZES} sizes of {human} are finished, which is too few for a law."
    measured = sizes[human]
    smallest, largest = measured[0], measured[-1]
    low, high = estimate_score(smallest.score.resampled), estimate_score(largest.score.resampled)
    rise = estimate(largest.score.resampled.minus(smallest.score.resampled))
    others = {source: found for source, found in sizes.items() if source != human}
    if rise.low > 0:
        shape = _growth(laws[human], largest.num_examples)
        beside = [_compared(human, source, measured, found, laws) for source, found in others.items()]
    else:
        shape = f"which is not shown to be a rise ({_difference(rise)}), so that nothing can be said of what an example is worth"
        beside = [_beside(human, largest, source, found) for source, found in others.items()]
    text = [
        f"{model}: from {smallest.num_examples:,} to {largest.num_examples:,} examples of {human} the score goes from "
        f"{points(low.value)} {interval_words(low, False)} to {points(high.value)} {interval_words(high, False)}, {shape}.",
        *beside,
        f"From {count(len(largest.score.pairs), 'target')}, {count(low.num_seeds, 'seed')} and {count(high.num_examples, 'test example')}; "
        "95% intervals.",
    ]
    return " ".join(text)


def _growth(law: Law, largest: int) -> str:
    doubled = law.at(2 * largest).value - law.at(largest).value
    return f"by a power law of exponent {_fitted(Interval(*_exponent(law)))}; by that law twice as many would give {signed(doubled)} points"


def _difference(estimate: Estimate) -> str:
    return f"{signed(estimate.value)} {interval_words(estimate, True)}"


def _beside(human: str, largest: Size, source: str, found: list[Size]) -> str:
    """The largest size of a source that both have, where there is no law to compare."""
    same = next((size for size in reversed(found) if size.num_examples == largest.num_examples), None)
    if same is None:
        return f"Of {source} there is no set of {largest.num_examples:,}."
    against = estimate(same.score.resampled.minus(largest.score.resampled))
    return f"With as many examples {source} scores {_difference(against)} points against {human}."


def _compared(human: str, source: str, measured: list[Size], found: list[Size], laws: dict[str, Law]) -> str:
    if source not in laws:
        return f"Of {source} fewer than {MIN_SIZES} sizes are finished."
    comparison = _compare(measured, found)
    return f"One example of {human} is worth {_rate(comparison.rate)} of {source}, and {_crossing(comparison.crossing)}."


def _crossing(crossing: Crossing) -> str:
    if crossing.size is None:
        share = 1 - crossing.share
        return f"neither overtakes the other between the sizes that were measured ({share:.0%} of the resamples agree)"
    value, low, high = (f"{size:,.0f}" for size in crossing.size)
    return f"the better source changes at {value} [{low}, {high}] examples ({crossing.share:.0%} of the resamples have such a size)"


def _rate(rate: Interval) -> str:
    """A rate at the end of what is searched is a bound."""
    value, low, high = (f"{number:,.0f}" if number >= 10 else f"{number:.2g}" for number in rate)
    least, most = EXCHANGE_RATES_K[0], EXCHANGE_RATES_K[-1]
    low, high = ("less than " + low if rate.low <= least else low), ("more than " + high if rate.high >= most else high)
    return f"{value} [{low}, {high}]"


def _exponent(law: Law) -> tuple[float, float, float]:
    low, high = np.quantile(law.exponent_R[1:], [0.025, 0.975])
    return float(law.exponent_R[0]), float(low), float(high)


def _fitted(number: Interval) -> str:
    return f"{number.value:.2f} [{number.low:.2f}, {number.high:.2f}]"


def _table(model: str, sizes: dict[str, list[Size]]) -> Table:
    laws = _laws(sizes)
    rows = [_row(size, laws.get(source)) for source, found in sizes.items() for size in found]
    title = f"Score by number of intermediate examples, {model}"
    return Table(f"data_scaling_{model}", title, ("source", "examples", "score", "gain", "fitted score"), tuple(rows))


def _row(size: Size, law: Law | None) -> tuple[str, ...]:
    found = estimate_score(size.score.resampled)
    gain = "" if size.gain is None else f"{signed((measured := estimate(size.gain.resampled)).value)} {interval_words(measured, True)}"
    fitted = law.at(size.num_examples) if law is not None else None
    shown = "" if fitted is None else f"{points(fitted.value)} [{points(fitted.low)}, {points(fitted.high)}]"
    return (size.source, f"{size.num_examples:,}", f"{points(found.value)} {interval_words(found, False)}", gain, shown)
