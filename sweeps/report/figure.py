"""The transfer matrix as a figure: `matrix.svg`."""

from typing import TYPE_CHECKING

from sweeps.report.cells import Cell
from sweeps.report.matrix import Grid
from sweeps.report.vector import saved
from sweeps.report.wording import count, interval, points, signed
from sweeps.results import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL_INCHES = (1.5, 0.72)
_HELPS, _HURTS = (0.45, 0.67, 0.90), (0.96, 0.65, 0.30)
"""Blue for gains, orange for losses: apart in every common kind of colour blindness, and light enough for black text."""
_NO_GAIN, _SCORE = (0.97, 0.97, 0.97), (0.91, 0.91, 0.91)


def to_svg(grids: tuple[Grid, ...]) -> bytes:
    """The same bytes for the same cells."""
    return saved(lambda: draw(grids), "Transfer matrix", "svg")


def draw(grids: tuple[Grid, ...]) -> "Figure":
    """The matrices of all models and variants, one below the other."""
    from matplotlib.figure import Figure

    width, height = _CELL_INCHES
    heights = [height * len(grid.intermediates) + 1.3 for grid in grids]
    figure_width = max([3.0, *(width * len(grid.targets) for grid in grids)]) + 1.6
    figure = Figure(figsize=(figure_width, sum(heights) or 1.0), layout=None)
    top = sum(heights)
    for grid, grid_height in zip(grids, heights, strict=True):
        top -= grid_height
        box = (1.5 / figure_width, (top + 0.4) / sum(heights), width * len(grid.targets) / figure_width, (grid_height - 1.3) / sum(heights))
        _draw_grid(figure.add_axes(box), grid)
    return figure


def _draw_grid(axes: "Axes", grid: Grid) -> None:
    from matplotlib.patches import Rectangle

    for row, intermediate in enumerate(grid.intermediates):
        for column, target in enumerate(grid.targets):
            cell = grid.cells.get((intermediate, target))
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=_colour(cell, grid), edgecolor="white", linewidth=2))
            _write_cell(axes, cell, column + 0.5, row + 0.5)
    axes.set(xlim=(0, len(grid.targets)), ylim=(len(grid.intermediates), 0))
    axes.set_xticks([column + 0.5 for column in range(len(grid.targets))], ["\n".join(grid.heading(target)) for target in grid.targets])
    labels = [f"{name}\n(score)" if name == BASELINE else name for name in grid.intermediates]
    axes.set_yticks([row + 0.5 for row in range(len(grid.intermediates))], labels)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_title(grid.title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("gain in points over the first row, [95% interval], * p < 0.05 (Holm)", fontsize=8, loc="left")


def _colour(cell: Cell | None, grid: Grid) -> tuple[float, ...]:
    if cell is None or (cell.gain is None and not cell.is_baseline):
        return 1.0, 1.0, 1.0
    if cell.gain is None:
        return _SCORE
    share = grid.tint(cell.gain)
    full = _HELPS if cell.gain.value > 0 else _HURTS
    return tuple(share * end + (1 - share) * start for start, end in zip(_NO_GAIN, full, strict=True))


def _write_cell(axes: "Axes", cell: Cell | None, x: float, y: float) -> None:
    if cell is None:
        return
    shown = cell.score if cell.is_baseline else cell.gain
    if shown is None:
        axes.text(x, y, "missing", ha="center", va="center", fontsize=8, color="0.35", style="italic")
        return
    number = points(shown.value) if cell.is_baseline else signed(shown.value)
    axes.text(x, y - 0.2, number + ("*" if cell.is_significant else ""), ha="center", va="center", fontsize=11, fontweight="bold")
    axes.text(x, y + 0.1, interval(shown, is_signed=not cell.is_baseline), ha="center", va="center", fontsize=8)
    basis = count(shown.num_seeds, cell.replicate) + (", leak" if cell.is_leaking else "")
    axes.text(x, y + 0.33, basis, ha="center", va="center", fontsize=7, color="0.25")
