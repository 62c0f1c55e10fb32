"""Gain against model size: a straight line over the logarithm of the parameters, and the operations that a point of gain costs."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sweeps.report.answers import Answer, Evidence
from sweeps.report.answers.averages import Average, average, difference, score, with_intermediate
from sweeps.report.answers.power_law import Interval, draw_scores, interval_of
from sweeps.report.answers.trainings import cost_of, encoder_trainings, target_trainings
from sweeps.report.data_use import stages_of
from sweeps.report.statistics import Resampled, estimate, estimate_score
from sweeps.report.tables import Table
from sweeps.report.wording import count, interval, listing, points, signed
from sweeps.results import PairId


class Size(NamedTuple):
    """One model, over all its pairs with an intermediate."""

    model: str
    num_parameters: float
    score: Average
    gain: Average
    extra_flops: float
    """Of one intermediate training."""


class Growth(NamedTuple):
    """How the gain of one pair changes from model to model."""

    pair: PairId
    """Without a model."""
    num_models: int
    slope: Interval


def answer(evidence: Evidence) -> Answer:
    """Whether the gain grows with size, by how much for ten times the parameters, and what a point costs."""
    sizes = [size for model in dict.fromkeys(found.pair.model for found in evidence.result.pairs) if (size := _size(evidence, model))]
    sizes.sort(key=lambda size: size.num_parameters)
    growths = _growths(evidence, sizes)
    tables = (_table(sizes), _growth_table(growths))
    if len({size.num_parameters for size in sizes}) < 2:
        return Answer("Fewer than two sizes of model are finished, which is too few for a slope.", tables)
    slope = _slope([(size.num_parameters, size.gain.resampled) for size in sizes])
    ends = [f"{_gain(size)} at {_millions(size)} ({size.model})" for size in (sizes[0], sizes[-1])]
    first = estimate(sizes[0].gain.resampled)
    text = (
        f"The gain of intermediate training {_verdict(slope)} with model size: {_points(slope)} points for ten times the parameters, "
        f"from {ends[0]} to {ends[1]}. {_by_pair(growths)}From {count(len(sizes), 'model')}, "
        f"{count(len(sizes[0].gain.pairs), 'pair')} each, {count(first.num_seeds, 'seed')} and {count(first.num_examples, 'test example')};"
        " 95% intervals."
    )
    return Answer(text, tables)


def _size(evidence: Evidence, model: str) -> Size | None:
    pairs = [found for found in with_intermediate(evidence) if found.pair.model == model]
    stages = stages_of(evidence.result)
    scores = average((found.pair, score(evidence, found.pair)) for found in pairs)
    gains = average((found.pair, difference(evidence, found.pair, found.baseline)) for found in pairs)
    encoders = cost_of([training for found in pairs for training in encoder_trainings(found, stages)])
    targets = cost_of([training for found in pairs for training in target_trainings(found)])
    shape = targets or encoders
    if scores is None or gains is None or encoders is None or shape is None:
        return None
    return Size(model, shape.num_parameters, scores, gains, encoders.flops)


def _growths(evidence: Evidence, sizes: list[Size]) -> list[Growth]:
    """Of every pair that at least two sizes have, in the order of the study."""
    growths = []
    for pair in dict.fromkeys(found.pair._replace(model="") for found in with_intermediate(evidence)):
        measured = [(size.num_parameters, _gain_of(evidence, pair._replace(model=size.model))) for size in sizes]
        there = [(number, gain) for number, gain in measured if gain is not None]
        if len({number for number, _ in there}) > 1:
            growths.append(Growth(pair, len(there), _slope(there)))
    return growths


def _gain_of(evidence: Evidence, pair: PairId) -> Resampled | None:
    found = next((found for found in evidence.result.pairs if found.pair == pair), None)
    return None if found is None else difference(evidence, pair, found.baseline)


def _slope(gains: Sequence[tuple[float, Resampled]]) -> Interval:
    """Least squares of gains on log10 of the parameters, for every resample."""
    places_P = np.log10([num_parameters for num_parameters, _ in gains])
    centred_P = places_P - places_P.mean()
    return interval_of(draw_scores([gain for _, gain in gains]) @ centred_P / np.square(centred_P).sum())


def _verdict(slope: Interval) -> str:
    return "grows" if slope.low > 0 else "shrinks" if slope.high < 0 else "is not shown to change"


def _by_pair(growths: list[Growth]) -> str:
    """Nothing of a single pair, which is the whole."""
    if len(growths) < 2:
        return ""
    verdicts = Counter(_verdict(growth.slope) for growth in growths)
    return f"Of {len(growths)} pairs, each by itself, it {listing([f'{verdict} in {number}' for verdict, number in verdicts.items()])}. "


def _table(sizes: list[Size]) -> Table:
    columns = ("model", "parameters", "score", "gain", "operations of the intermediate training", "operations for a point of gain")
    return Table("model_scale", "Gain by model size", columns, tuple(_row(size) for size in sizes))


def _growth_table(growths: list[Growth]) -> Table:
    rows = [
        (f"{intermediate} -> {target}", variant, str(growth.num_models), _points(growth.slope), _verdict(growth.slope))
        for growth in growths
        for _, intermediate, variant, target in [growth.pair]
    ]
    columns = ("pair", "variant", "models", "points for ten times the parameters", "gain")
    return Table("model_scale_pairs", "Growth of the gain with model size, pair by pair", columns, tuple(rows))


def _row(size: Size) -> tuple[str, ...]:
    found, gain = estimate_score(size.score.resampled), estimate(size.gain.resampled)
    per_point = f"{size.extra_flops / (100 * gain.value):.2g}" if gain.low > 0 else "no gain shown"
    return (
        size.model,
        _millions(size),
        f"{points(found.value)} {interval(found, False)}",
        _gain(size),
        f"{size.extra_flops:.2g}",
        per_point,
    )


def _points(slope: Interval) -> str:
    return f"{signed(slope.value)} [{signed(slope.low)}, {signed(slope.high)}]"


def _gain(size: Size) -> str:
    gain = estimate(size.gain.resampled)
    return f"{signed(gain.value)} {interval(gain, True)}"


def _millions(size: Size) -> str:
    return f"{size.num_parameters / 1e6:,.3g} M parameters"
