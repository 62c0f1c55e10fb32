"""Searches as parallel coordinates: an axis for each hyperparameter and one for the dev score, a line for each point."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from sweeps.report.curves import Line, Tick
from sweeps.report.searches import Search, SearchedPoint, Searches
from sweeps.report.wording import points

WIDTH, HEIGHT = 420.0, 220.0
TOP, BOTTOM = 18.0, 184.0
_LEFT, _RIGHT = 50.0, 370.0
_LOGARITHMIC_FROM = 5.0
"""Values whose largest is this many times the smallest are spread by their logarithms."""

_Value = float | int | str


class Axis(NamedTuple):
    """One hyperparameter, or the dev score."""

    name: str
    x: float
    ticks: tuple[Tick, ...]


class Parallel(NamedTuple):
    """One figure."""

    title: str
    intermediates: tuple[str, ...]
    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]
    statuses: tuple[str, ...]
    """One a line."""


def draw(found: Searches) -> Parallel | None:
    """None unless something is searched and scored."""
    drawn = [(search, point) for search in found.searches for point in search.points if point.mean is not None]
    names = list(dict.fromkeys(name for _, point in drawn for name in point.point))
    if not names:
        return None
    columns = {name: [point.point.get(name, "") for _, point in drawn] for name in names}
    columns["dev score"] = [_mean(point) for _, point in drawn]
    places = {name: _x(place, len(columns)) for place, name in enumerate(columns)}
    axes = tuple(Axis(name, places[name], _ticks(name, values)) for name, values in columns.items())
    heights = {name: _heights(values) for name, values in columns.items()}
    intermediates = tuple(dict.fromkeys(search.pair.intermediate for search, _ in drawn))
    lines = tuple(
        Line(
            search.pair.intermediate,
            intermediates.index(search.pair.intermediate),
            tuple((places[name], heights[name][row]) for name in columns),
            _title(search, point),
        )
        for row, (search, point) in enumerate(drawn)
    )
    return Parallel(found.title, intermediates, axes, lines, tuple(point.status for _, point in drawn))


def _mean(point: SearchedPoint) -> float:
    assert point.mean is not None, "only scored points are drawn"
    return point.mean


def _title(search: Search, point: SearchedPoint) -> str:
    return f"{search.pair.intermediate}, {point.words}: dev score {point.written_mean}" + (f", {point.status}" if point.status else "")


def _x(place: int, num_axes: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * place / (num_axes - 1)


def _heights(values: Sequence[_Value]) -> list[float]:
    shares = _shares(values)
    return [BOTTOM - (BOTTOM - TOP) * share for share in shares]


def _shares(values: Sequence[_Value]) -> list[float]:
    """Where each value lies between the lowest (0) and the highest (1); words are as far apart as each other, in their order."""
    numbers = [float(value) for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        words = sorted({str(value) for value in values})
        numbers = [float(words.index(str(value))) for value in values]
    elif min(numbers) > 0 and max(numbers) / min(numbers) >= _LOGARITHMIC_FROM:
        numbers = [math.log(number) for number in numbers]
    low, high = min(numbers), max(numbers)
    return [(number - low) / (high - low) if high > low else 0.5 for number in numbers]


def _ticks(name: str, values: Sequence[_Value]) -> tuple[Tick, ...]:
    """The lowest and the highest of numbers, each of a few words."""
    by_height = dict(sorted(zip(_heights(values), values, strict=True), key=lambda pair: pair[0]))
    has_words = any(isinstance(value, str) for value in values)
    shown = by_height if has_words else {height: by_height[height] for height in (min(by_height), max(by_height))}
    return tuple(Tick(height, _written(name, value)) for height, value in shown.items())


def _written(name: str, value: _Value) -> str:
    if isinstance(value, str):
        return value
    return points(value) if name == "dev score" else f"{value:.3g}"
