"""The hyperparameter search of one pair: rounds of points, each trained with every replicate seed, by Optuna's ask and tell."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler

from search_spaces import SPACES
from sweeps.pruning import Floors, Scores, asha_floors, incumbent_floors
from sweeps.results import Point
from sweeps.study import Search, StudyError

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Told(NamedTuple):
    """A point and what its trainings reached, seed by seed."""

    point: Point
    curves: tuple[Scores, ...]
    """Dev scores by rung."""
    finals: tuple[float, ...]
    """Score at the kept checkpoint of each training that was not pruned."""
    is_pruned: bool

    @property
    def mean(self) -> float:
        """What Optuna is told and the winner is chosen by."""
        return sum(self.finals) / len(self.finals)


class PairSearch:
    """Hands out points and takes results in whole rounds, so that the same results always lead to the same points.

    `name` separates the random numbers of the study's searches. Optuna saves no sampler state: each sampler is made anew from
    (study seed, name, number of points told).
    """

    def __init__(self, settings: Search, seed: int, name: str) -> None:
        self._settings = settings
        self._space = SPACES.load(settings.space)
        self._seed = seed
        self._name = name
        self._study = optuna.create_study(direction="maximize", sampler=self._sampler())
        self._asked: list[optuna.Trial] = []
        self.told: list[Told] = []

    @property
    def num_points(self) -> int:
        """How many points the search tries in all: a grid ends with its last one."""
        return num_points(self._settings)

    def ask(self) -> tuple[Point, ...]:
        """The points of the next round; empty when the search is over."""
        self._study.sampler = self._sampler()
        size = min(self._settings.parallel, self.num_points - len(self.told))
        self._asked = [self._study.ask(dict(self._space)) for _ in range(size)]
        return tuple(dict(trial.params) for trial in self._asked)

    def tell(self, results: Sequence[Told]) -> None:
        """The results of the round just asked, in the order of its points."""
        # With its last point Optuna's grid would stop a loop that is not there.
        self._study.sampler = RandomSampler()
        for trial, result in zip(self._asked, results, strict=True):
            for rung, score in enumerate(result.curves[0]):
                trial.report(score, rung)
            if result.is_pruned:
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                self._study.tell(trial, result.mean)
        self.told.extend(results)

    def floors(self) -> Floors:
        """The floors of the next round's trainings."""
        finished = [told for told in self.told if not told.is_pruned]
        if self._settings.pruning == "none" or not finished:
            return ()
        if self._settings.pruning == "incumbent":
            return incumbent_floors(self.best().curves)
        return asha_floors([curve for told in self.told for curve in told.curves], self._settings.reduction_factor)

    def best(self) -> Told:
        """The point with the best mean over all replicates; the earlier one of equals."""
        return max((told for told in self.told if not told.is_pruned), key=lambda told: told.mean)

    def _sampler(self) -> BaseSampler:
        num_told = len(self.told) if hasattr(self, "told") else 0
        digest = hashlib.sha256(f"{self._seed}/{self._name}/{num_told}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big")
        if self._settings.sampler == "grid":
            return GridSampler(grid(self._settings.space, self._space), seed=self._seed)
        if self._settings.sampler == "random":
            return RandomSampler(seed=seed)
        return TPESampler(seed=seed, constant_liar=self._settings.parallel > 1)


def num_points(settings: Search) -> int:
    """How many points a search tries in all."""
    if settings.sampler != "grid":
        return settings.trials
    size = 1
    for choices in grid(settings.space, SPACES.load(settings.space)).values():
        size *= len(choices)
    return min(settings.trials, size)


def grid(name: str, space: Mapping[str, BaseDistribution]) -> dict[str, list[float | int | str | bool | None]]:
    """The choices of a space of categorical distributions; a StudyError names one that is not."""
    for field, distribution in space.items():
        if not isinstance(distribution, CategoricalDistribution):
            raise StudyError(f"search.sampler: 'grid' needs categorical distributions, but {name}.{field} is {distribution}")
    return {field: list(distribution.choices) for field, distribution in space.items() if isinstance(distribution, CategoricalDistribution)}
