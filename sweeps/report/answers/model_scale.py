"""Gain against model size: a straight line over the logarithm of the parameters, and the operations that a point of gain costs."""

from typing import NamedTuple

import numpy as np

from sweeps.report.answers import Answer, Evidence
from sweeps.report.answers.averages import Average, average, difference, score, with_intermediate
from sweeps.report.answers.power_law import Interval, draw_scores, interval_of
from sweeps.report.answers.trainings import cost_of, encoder_trainings, target_trainings
from sweeps.report.data_use import stages_of
from sweeps.report.statistics import estimate
from sweeps.report.tables import Table
from sweeps.report.wording import count, interval, points, signed


class Size(NamedTuple):
    """One model, over all its pairs with an intermediate."""

    model: str
    num_parameters: float
    score: Average
    gain: Average
    extra_flops: float
    """Of one intermediate training."""


def answer(evidence: Evidence) -> Answer:
    """Whether the gain grows with size, by how much for ten times the parameters, and what a point costs."""
    sizes = [size for model in dict.fromkeys(found.pair.model for found in evidence.result.pairs) if (size := _size(evidence, model))]
    sizes.sort(key=lambda size: size.num_parameters)
    tables = (_table(sizes),)
    if len({size.num_parameters for size in sizes}) < 2:
        return Answer("Fewer than two sizes of model are finished, which is too few for a slope.", tables)
    slope = _slope(sizes)
    verdict = "grows" if slope.low > 0 else "shrinks" if slope.high < 0 else "is not shown to change"
    ends = [f"{_gain(size)} at {_millions(size)} ({size.model})" for size in (sizes[0], sizes[-1])]
    first = estimate(sizes[0].gain.resampled)
    text = (
        f"The gain of intermediate training {verdict} with model size: {signed(slope.value)} [{signed(slope.low)}, {signed(slope.high)}] "
        f"points for ten times the parameters, from {ends[0]} to {ends[1]}. From {count(len(sizes), 'model')}, "
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


def _slope(sizes: list[Size]) -> Interval:
    """Least squares of the gain on log10 of the parameters, for every resample."""
    places_P = np.log10([size.num_parameters for size in sizes])
    centred_P = places_P - places_P.mean()
    return interval_of(draw_scores([size.gain.resampled for size in sizes]) @ centred_P / np.square(centred_P).sum())


def _table(sizes: list[Size]) -> Table:
    columns = ("model", "parameters", "score", "gain", "operations of the intermediate training", "operations for a point of gain")
    return Table("model_scale", "Gain by model size", columns, tuple(_row(size) for size in sizes))


def _row(size: Size) -> tuple[str, ...]:
    found, gain = estimate(size.score.resampled), estimate(size.gain.resampled)
    per_point = f"{size.extra_flops / (100 * gain.value):.2g}" if gain.low > 0 else "no gain shown"
    return (
        size.model,
        _millions(size),
        f"{points(found.value)} {interval(found, False)}",
        _gain(size),
        f"{size.extra_flops:.2g}",
        per_point,
    )


def _gain(size: Size) -> str:
    gain = estimate(size.gain.resampled)
    return f"{signed(gain.value)} {interval(gain, True)}"


def _millions(size: Size) -> str:
    return f"{size.num_parameters / 1e6:,.3g} M parameters"
