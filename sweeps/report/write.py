"""A study's report: the table of results, the matrix as data and figure, and the page."""

import os
import uuid
from pathlib import Path
from typing import NamedTuple

from sweeps.report.cells import Cell, build_cells
from sweeps.report.figure import to_svg
from sweeps.report.matrix import grids, to_csv
from sweeps.report.page import render
from sweeps.report.table import build_table, to_parquet
from sweeps.results import StudyResult
from trainables.store import Store


class Report(NamedTuple):
    """What was written, and the cells for the terminal."""

    folder: Path
    cells: tuple[Cell, ...]

    @property
    def page(self) -> Path:
        """What a person opens."""
        return self.folder / "report.html"


def write_report(result: StudyResult, store: Store, folder: Path) -> Report:
    """Writes results.parquet, matrix.csv, matrix.svg and report.html into `folder`, also for a study that is not finished.

    Each file is written aside and renamed, the page last; the same study gives the same bytes, but for costs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cells = build_cells(result, store)
    _replace(folder / "results.parquet", to_parquet(build_table(result)))
    _replace(folder / "matrix.csv", to_csv(result.study, cells).encode())
    _replace(folder / "matrix.svg", to_svg(grids(cells)))
    _replace(folder / "report.html", render(result, cells).encode())
    return Report(folder, cells)


def _replace(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    aside.write_bytes(data)
    os.replace(aside, path)
