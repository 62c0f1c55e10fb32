"""When a training stops early: floors that only earlier, finished rounds of the same search decide.

A floor that depended on trials still running would make a study's numbers depend on which machine was faster, and on when the
driver was killed. Floors are handed to a trial when it starts and the trial stops itself: nothing is ended from outside.
"""

import math
from collections.abc import Sequence

from trainables.manifest import CurvePoint

Scores = Sequence[float]
"""A training's dev scores, rung by rung; shorter than others' if it was pruned."""

Floors = tuple[float, ...]
"""For each rung the score under which a training stops."""


def incumbent_floors(best_point: Sequence[Scores]) -> Floors:
    """A training stops at a rung where it scores below every replicate of the best point so far."""
    return tuple(min(scores) for scores in zip(*best_point, strict=False))


def asha_floors(trainings: Sequence[Scores], reduction_factor: float) -> Floors:
    """ASHA's rule (Li et al. 2020, arXiv 1810.05934): at each rung one in `reduction_factor` trainings goes on.

    The last rung is the end of the training, where there is nothing left to stop.
    """
    num_rungs = max((len(scores) for scores in trainings), default=0)
    rungs = [sorted((scores[rung] for scores in trainings if len(scores) > rung), reverse=True) for rung in range(num_rungs - 1)]
    return tuple(reached[math.ceil(len(reached) / reduction_factor) - 1] for reached in rungs)


def scores_of(curve: Sequence[CurvePoint]) -> Scores:
    """The dev scores of a curve; selection needs one at each rung."""
    return [point.score for point in curve if point.score is not None]


def pruned_at(scores: Scores, floors: Floors) -> int | None:
    """The first rung at which a training falls below its floor; None if it never does.

    This is asked of every curve, also of one that another study trained to its end, so that what is in the store already
    changes nothing.
    """
    return next((rung for rung, (score, floor) in enumerate(zip(scores, floors, strict=False)) if score < floor), None)
