"""The matrix in one language: what each cell shows when the reader asks for that language alone."""

from collections.abc import Sequence
from typing import NamedTuple

from sweeps.report.cells import Cell, LanguageCell
from sweeps.report.matrix import Grid
from sweeps.report.wording import count, gain_phrase, interval, points, sample, signed


class Shown(NamedTuple):
    """A cell of the matrix in one language, as the page writes it."""

    number: str
    interval: str
    rests_on: str
    kind: str
    """`up` or `down` for a gain, `base` for a score of the baseline, `gone` for a gain that is missing."""
    share: str
    """Of the full colour of the whole matrix, so that colours mean the same in all languages."""
    label: str
    """All of it in words."""


def by_language(grids: Sequence[Grid], cells: Sequence[Cell]) -> dict[str, dict[int, dict[str, str]]]:
    """For each language, what is shown in it by the place of the cell; cells that are not scored in it are absent."""
    grid_of = {(grid.model, grid.variant): grid for grid in grids}
    found: dict[str, dict[int, dict[str, str]]] = {}
    for place, cell in enumerate(cells):
        for one in cell.languages:
            shown = _shown(cell, one, grid_of[cell.pair.model, cell.pair.variant])
            found.setdefault(one.language, {})[place] = shown._asdict()
    return dict(sorted(found.items()))


def _shown(cell: Cell, one: LanguageCell, grid: Grid) -> Shown:
    estimate = one.score if cell.is_baseline else one.gain
    name = f"{cell.pair} in {one.language}"
    if estimate is None:
        return Shown("–", "", "", "gone", "0", f"{name}: no gain")
    rests_on = f"{count(estimate.num_seeds, cell.replicate)}, n={estimate.num_examples:,}"
    if cell.is_baseline:
        label = f"{name}: {points(estimate.value)}; {sample(estimate, cell.replicate)}"
        return Shown(points(estimate.value), interval(estimate, False), rests_on, "base", "0", label)
    label = f"{name}: {gain_phrase(estimate, cell.replicate)}"
    kind = "up" if estimate.value > 0 else "down"
    return Shown(signed(estimate.value), interval(estimate, True), rests_on, kind, f"{grid.tint(estimate):.2f}", label)
