"""How much of the dev scores' spread each hyperparameter accounts for, with an interval over searches.

Legend: `P` points, `K` levels of a hyperparameter.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sweeps.report.searches import Search, Searches

_NUM_LEVELS = 3
"""Numbers of more values than this fall into as many equally filled ranges, so that an optimum in the middle counts too."""

_MIN_SEARCHES = 3
"""An interval over fewer would say nothing."""


class Importance(NamedTuple):
    """Of one hyperparameter."""

    name: str
    share: float
    """Adjusted R²: of the variance within searches; about 0, also below it, where the hyperparameter does nothing."""
    low: float
    high: float
    num_points: int
    num_searches: int


def importances(found: Searches) -> tuple[Importance, ...]:
    """The most important first; none of what was not varied, or of fewer than three searches.

    Levels of each hyperparameter alone are regressed on, scores and levels both less their means within a search. Pruned points are
    left out, for their scores are of less training. The interval is a jackknife over searches with a Student t.
    """
    searches = [search for search in found.searches if len(_whole(search)) > 1]
    names = dict.fromkeys(name for search in searches for point in search.points for name in point.point)
    measured = [one for name in names if (one := _importance(name, searches)) is not None]
    return tuple(sorted(measured, key=lambda one: -one.share))


def _importance(name: str, searches: Sequence[Search]) -> Importance | None:
    share = _adjusted_r2(name, searches)
    num = len(searches)
    if share is None or num < _MIN_SEARCHES:
        return None
    without = [_adjusted_r2(name, [*searches[:place], *searches[place + 1 :]]) for place in range(num)]
    left = [one for one in without if one is not None]
    if len(left) < num:
        return None
    from scipy.special import stdtrit  # a third of a second, which a command that reports nothing should not pay

    error = float(np.sqrt((num - 1) * np.var(left)))
    half = error * float(stdtrit(num - 1, 0.975))
    return Importance(name, share, share - half, share + half, sum(len(_whole(search)) for search in searches), num)


def _adjusted_r2(name: str, searches: Sequence[Search]) -> float | None:
    """None where the points do not tell: too few of them, one value, or no spread of scores."""
    rows = [(place, value, score) for place, search in enumerate(searches) for value, score in _column(search, name)]
    level_P = _levels([value for _, value, _ in rows])
    search_P = np.array([place for place, _, _ in rows])
    score_P = _less_means(np.array([score for _, _, score in rows])[:, None], search_P)[:, 0]
    level_PK = _less_means(np.equal.outer(level_P, np.unique(level_P)).astype(np.float64), search_P)
    fitted_P = level_PK @ np.linalg.lstsq(level_PK, score_P, rcond=None)[0]
    rank = int(np.linalg.matrix_rank(level_PK))
    num_free = len(rows) - len(searches)
    total = float(score_P @ score_P)
    if rank == 0 or num_free <= rank or total == 0:
        return None
    residual = float(((score_P - fitted_P) ** 2).sum())
    return 1 - (residual / (num_free - rank)) / (total / num_free)


def _whole(search: Search) -> list[tuple[dict[str, float | int | str], float]]:
    return [(dict(point.point), point.mean) for point in search.points if point.mean is not None and point.status != "pruned"]


def _column(search: Search, name: str) -> list[tuple[float | int | str, float]]:
    return [(point.get(name, ""), score) for point, score in _whole(search)]


def _levels(values: Sequence[float | int | str]) -> np.ndarray:
    """The place of each value's level."""
    kinds = sorted(set(map(str, values)))
    if len(kinds) <= _NUM_LEVELS or any(isinstance(value, str) for value in values):
        return np.array([kinds.index(str(value)) for value in values])
    numbers = np.array(values, dtype=np.float64)
    edges = np.quantile(numbers, np.arange(1, _NUM_LEVELS) / _NUM_LEVELS)
    return np.searchsorted(edges, numbers)


def _less_means(columns_PK: np.ndarray, search_P: np.ndarray) -> np.ndarray:
    """The columns less their means within each search."""
    centred_PK = columns_PK.copy()
    for search in np.unique(search_P):
        centred_PK[search_P == search] -= columns_PK[search_P == search].mean(axis=0)
    return centred_PK
