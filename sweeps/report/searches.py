"""The points of every pair's search, as the page lists and draws them."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sweeps.report import wording
from sweeps.results import PairId, PairResult, Point, Trial

Status = Literal["selected", "pruned", ""]


class SearchedPoint(NamedTuple):
    """One point of a pair's search."""

    point: Point
    dev_scores: tuple[float, ...]
    """One a seed."""
    status: Status

    @property
    def mean(self) -> float | None:
        """None while no seed has a score."""
        return sum(self.dev_scores) / len(self.dev_scores) if self.dev_scores else None

    @property
    def words(self) -> str:
        """`learning_rate 2e-05, batch_size 32`."""
        return describe(self.point) or "the only point"

    @property
    def written_mean(self) -> str:
        """In points of a hundred."""
        return "–" if self.mean is None else wording.points(self.mean)


class Search(NamedTuple):
    """The points that were tried for one pair."""

    pair: PairId
    points: tuple[SearchedPoint, ...]

    @property
    def num_pruned(self) -> int:
        """How many points were stopped early."""
        return sum(point.status == "pruned" for point in self.points)


class Searches(NamedTuple):
    """All searches that choose for the same target, model and variant: a hyperparameter may be compared over them."""

    title: str
    searches: tuple[Search, ...]


def searches_of(pairs: Sequence[PairResult]) -> tuple[Search, ...]:
    """A search for every pair that has a training."""
    return tuple(_search(found) for found in pairs if found.trials)


def by_target(searches: Sequence[Search]) -> tuple[Searches, ...]:
    """The searches together that have all but the intermediate in common."""
    groups: dict[tuple[str, str, str], list[Search]] = {}
    for search in searches:
        groups.setdefault((search.pair.target, search.pair.model, search.pair.variant), []).append(search)
    return tuple(Searches(" · ".join(part for part in group if part != "base"), tuple(found)) for group, found in groups.items())


def describe(point: Point) -> str:
    """`learning_rate 2e-05, batch_size 32`; nothing of the only point."""
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in point.items())


def _search(found: PairResult) -> Search:
    by_point: dict[str, list[Trial]] = {}
    for trial in found.trials:
        by_point.setdefault(describe(trial.point), []).append(trial)
    selected = None if found.selected is None else describe(found.selected)
    return Search(found.pair, tuple(_searched_point(trials, words == selected) for words, trials in by_point.items()))


def _searched_point(trials: Sequence[Trial], is_selected: bool) -> SearchedPoint:
    scores = tuple(trial.manifest.score for trial in trials if trial.manifest.score is not None)
    status: Status = "selected" if is_selected else "pruned" if any(trial.is_pruned for trial in trials) else ""
    return SearchedPoint(trials[0].point, scores, status)
