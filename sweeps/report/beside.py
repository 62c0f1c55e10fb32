"""Published numbers beside measured ones: a table of the matrix's section, in which each keeps to its own column."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from sweeps.publications import AVERAGE
from sweeps.report.cells import Cell
from sweeps.report.wording import basis, interval, points, sample, signed
from sweeps.results import VARIANT, Published, StudyResult


class Beside(NamedTuple):
    """A published number and what this study measured of the same thing."""

    model: str
    intermediate: str
    target: str
    published: str
    source: str
    measured: str | None
    """None where this study did not, or not yet."""


def beside(result: StudyResult, cells: Sequence[Cell]) -> list[Beside]:
    """Means and others that are of no cell first, then cell by cell."""
    rows = [Beside(each.model, each.intermediate, each.target, each.words, each.source, _mean(each, cells)) for each in result.published]
    for cell in cells:
        for each in cell.published:
            rows.append(Beside(cell.pair.model, cell.pair.intermediate, cell.pair.target, each.words, each.source, _measured(each, cell)))
    return rows


def _measured(published: Published, cell: Cell) -> str | None:
    if published.kind == "gain":
        return None if cell.gain is None else f"{signed(cell.gain.value)} {basis(cell.gain, cell.replicate)}"
    if cell.score is None:
        return None
    return f"{points(cell.score.value)} (95% interval {interval(cell.score, False)}; {sample(cell.score, cell.replicate)})"


def _mean(published: Published, cells: Sequence[Cell]) -> str | None:
    """The mean over all targets of a row, where that was published and every target is measured."""
    row = [cell for cell in cells if cell.pair.intermediate == published.intermediate and cell.pair.variant == VARIANT]
    if published.target != AVERAGE or not row or len({cell.pair.model for cell in row}) > 1:
        return None
    estimates = [cell.gain if published.kind == "gain" else cell.score for cell in row]
    values = [estimate.value for estimate in estimates if estimate is not None]
    if len(values) < len(row):
        return None
    shown = signed(fmean(values)) if published.kind == "gain" else points(fmean(values))
    return f"{shown} (mean over {len(row)} targets)"
