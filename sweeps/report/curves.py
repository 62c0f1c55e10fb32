"""Learning curves as lines in a small box, for the inline figures of the page."""

import math
from typing import NamedTuple

from sweeps.results import PairResult, StudyResult, Trial

_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 36.0, 10.0, 8.0, 30.0
WIDTH, HEIGHT = 420.0, 220.0


class Line(NamedTuple):
    """One training, or one point of a search."""

    intermediate: str
    colour: int
    """Index of its intermediate among those of the figure."""
    places: tuple[tuple[float, float], ...]
    """From left to right, downwards from the top of the figure."""
    title: str

    @property
    def path(self) -> str:
        """Points of an SVG polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.places)


class Tick(NamedTuple):
    """A mark on an axis."""

    place: float
    label: str


class Curves(NamedTuple):
    """One figure: dev score over epochs of the selected point's trainings, every seed a line."""

    title: str
    intermediates: tuple[str, ...]
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def target_curves(result: StudyResult) -> tuple[Curves, ...]:
    """A figure for each target of each model and variant that has trainings with at least one dev evaluation."""
    figures = dict.fromkeys((found.pair.model, found.pair.variant, found.pair.target) for found in result.pairs)
    drawn = (
        _curves(" · ".join(part for part in (target, model, variant) if part != "base"), pairs)
        for model, variant, target in figures
        if (
            pairs := [
                found for found in result.pairs if (found.pair.model, found.pair.variant, found.pair.target) == (model, variant, target)
            ]
        )
    )
    return tuple(curves for curves in drawn if curves.lines)


def _curves(title: str, pairs: list[PairResult]) -> Curves:
    trainings = [(found.pair.intermediate, trial) for found in pairs for trial in _shown(found)]
    scored = [(name, trial, scores) for name, trial in trainings if (scores := _scores(trial))]
    intermediates = tuple(dict.fromkeys(name for name, _, _ in scored))
    epochs = [epoch for _, _, scores in scored for epoch, _ in scores]
    values = [value for _, _, scores in scored for _, value in scores]
    x_span, y_span = (0.0, max(epochs, default=1.0) or 1.0), _padded(min(values, default=0.0), max(values, default=1.0))
    lines = tuple(
        Line(
            name,
            intermediates.index(name),
            tuple((_x(epoch, x_span), _y(value, y_span)) for epoch, value in scores),
            f"{name}, seed {trial.seed}: dev score {100 * scores[-1][1]:.1f} at epoch {scores[-1][0]:g}",
        )
        for name, trial, scores in scored
    )
    x_ticks = tuple(Tick(_x(value, x_span), f"{value:.3g}") for value in _steps(*x_span))
    return Curves(title, intermediates, lines, x_ticks, tuple(Tick(_y(value, y_span), f"{100 * value:.3g}") for value in _steps(*y_span)))


def _shown(found: PairResult) -> list[Trial]:
    """The selected point's trainings; while the search goes on, all."""
    return [trial for trial in found.trials if found.selected is None or dict(trial.point) == dict(found.selected)]


def _scores(trial: Trial) -> list[tuple[float, float]]:
    return [(point.epoch, point.score) for point in trial.manifest.curve if point.score is not None]


def _padded(low: float, high: float) -> tuple[float, float]:
    padding = 0.05 * (high - low) or 0.01
    return low - padding, high + padding


def _steps(low: float, high: float) -> list[float]:
    """Up to six round numbers between the two, spaced by 1, 2 or 5 times a power of ten."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * min(factor for factor in (1, 2, 5, 10) if factor * power >= raw)
    return [step * count for count in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _x(epoch: float, span: tuple[float, float]) -> float:
    return _MARGIN_LEFT + (WIDTH - _MARGIN_LEFT - _MARGIN_RIGHT) * (epoch - span[0]) / (span[1] - span[0])


def _y(value: float, span: tuple[float, float]) -> float:
    return HEIGHT - _MARGIN_BOTTOM - (HEIGHT - _MARGIN_TOP - _MARGIN_BOTTOM) * (value - span[0]) / (span[1] - span[0])
