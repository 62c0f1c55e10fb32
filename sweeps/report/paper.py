"""The page's figures as papers take them: `figures/`, each as SVG and as PDF."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sweeps.report import curves, parallel
from sweeps.report.curves import Curves, Line
from sweeps.report.figure import draw as draw_matrix
from sweeps.report.matrix import Grid
from sweeps.report.parallel import Parallel
from sweeps.report.pareto import COLOURS, COST, LATENCY, Pareto, Scale, short_name
from sweeps.report.vector import saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES = (3.3, 2.2)
_PER_ROW = 2
_DASHES = ("solid", "dashed", "dotted")
_WIDTHS = {"selected": 1.6, "pruned": 0.4}


def figure_files(
    grids: tuple[Grid, ...],
    drawn_curves: Sequence[Curves],
    parallels: Sequence[Parallel],
    cost: Sequence[Pareto],
    latency: Sequence[Pareto],
) -> dict[str, bytes]:
    """Every figure that there is something for, by the name of its file."""
    figures: dict[str, tuple[str, Callable[[], Figure]]] = {}
    if grids:
        figures["matrix"] = ("Transfer matrix", lambda: draw_matrix(grids))
    if drawn_curves:
        figures["curves"] = ("Learning curves", lambda: _panels([_curves_panel(each) for each in drawn_curves]))
    if parallels:
        figures["search"] = ("Parallel coordinates", lambda: _panels([_parallel_panel(each) for each in parallels]))
    for name, points, scale in (("cost", cost, COST), ("latency", latency, LATENCY)):
        if points:
            figures[name] = (f"Accuracy against {scale.label}", _frontier(points, scale))
    return {f"{name}.{ending}": saved(draw, title, ending) for name, (title, draw) in figures.items() for ending in ("svg", "pdf")}


_Panel = Callable[["Axes"], None]


def _frontier(points: Sequence[Pareto], scale: Scale) -> "Callable[[], Figure]":
    targets = dict.fromkeys(point.pair.target for point in points)
    panels = [_frontier_panel(target, [point for point in points if point.pair.target == target], scale) for target in targets]
    return lambda: _panels(panels)


def _panels(panels: Sequence[_Panel]) -> "Figure":
    """In rows, each with axes of its own."""
    from matplotlib.figure import Figure

    num_columns = min(_PER_ROW, len(panels))
    num_rows = -(-len(panels) // num_columns)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * num_columns, height * num_rows), layout="constrained")
    for place, panel in enumerate(panels):
        panel(figure.add_subplot(num_rows, num_columns, place + 1))
    _add_legend(figure)
    return figure


def _add_legend(figure: "Figure") -> None:
    """One below all panels, of the intermediates of any."""
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_legend_handles_labels()[0]}
    if lines:
        figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=4, fontsize=7, frameon=False)


def _curves_panel(drawn: Curves) -> _Panel:
    def draw(axes: "Axes") -> None:
        _draw_lines(axes, drawn.lines, [1.0] * len(drawn.lines))
        _frame(axes, drawn.title, curves.WIDTH, curves.HEIGHT)
        axes.set_xticks([tick.place for tick in drawn.x_ticks], [tick.label for tick in drawn.x_ticks])
        axes.set_yticks([tick.place for tick in drawn.y_ticks], [tick.label for tick in drawn.y_ticks])
        axes.set_xlabel("epochs", fontsize=7)
        axes.set_ylabel("dev score", fontsize=7)

    return draw


def _parallel_panel(drawn: Parallel) -> _Panel:
    def draw(axes: "Axes") -> None:
        _draw_lines(axes, drawn.lines, [_WIDTHS.get(status, 0.8) for status in drawn.statuses])
        _frame(axes, drawn.title, parallel.WIDTH, parallel.BOTTOM + 20)
        for axis in drawn.axes:
            axes.axvline(axis.x, color="0.6", linewidth=0.6)
            for tick in axis.ticks:
                axes.annotate(tick.label, (axis.x, tick.place), xytext=(2, 0), textcoords="offset points", fontsize=6, va="center")
        axes.set_xticks([axis.x for axis in drawn.axes], [axis.name for axis in drawn.axes])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)

    return draw


def _frontier_panel(target: str, points: Sequence[Pareto], scale: Scale) -> _Panel:
    def draw(axes: "Axes") -> None:
        ends = sorted({min(point.taken for point in points), max(point.taken for point in points)})
        middle = sum(ends) / len(ends)
        for place, point in enumerate(points):
            colour, score = COLOURS[place % len(COLOURS)], point.score
            axes.plot([point.taken] * 2, [100 * score.low, 100 * score.high], color=colour, linewidth=0.8)
            axes.plot(point.taken, 100 * score.value, "o", markersize=4, color=colour, fillstyle="full" if point.is_best else "none")
            offset, side = (-4, "right") if point.taken > middle else (4, "left")
            place_of_name = (point.taken, 100 * score.value)
            axes.annotate(short_name(point.pair), place_of_name, (offset, 2), textcoords="offset points", ha=side, fontsize=6)
        axes.set_title(target, fontsize=8, loc="left", fontweight="bold")
        axes.tick_params(labelsize=7)
        axes.set_xticks(ends, [scale.write(end) for end in ends])
        axes.set_xlabel(scale.label, fontsize=7)
        axes.set_ylabel("score", fontsize=7)
        axes.margins(x=0.3, y=0.1)

    return draw


def _draw_lines(axes: "Axes", lines: Sequence[Line], widths: Sequence[float]) -> None:
    """As they lie on the page; the first of each intermediate has its name."""
    named: set[str] = set()
    for line, width in zip(lines, widths, strict=True):
        xs, ys = zip(*line.places, strict=True)
        label = line.intermediate if line.intermediate not in named else None
        named.add(line.intermediate)
        colour, dash = COLOURS[line.colour % len(COLOURS)], _DASHES[line.colour // len(COLOURS) % len(_DASHES)]
        axes.plot(xs, ys, color=colour, linestyle=dash, linewidth=width, label=label)


def _frame(axes: "Axes", title: str, width: float, height: float) -> None:
    """The page counts downwards."""
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_title(title, fontsize=8, loc="left", fontweight="bold")
    axes.tick_params(labelsize=7)
