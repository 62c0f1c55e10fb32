"""A study's report: the table of results, the matrix as data and figure, and the page."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sweeps.report.answer import make_answer
from sweeps.report.answers import Answer, Evidence
from sweeps.report.arms import read_arms
from sweeps.report.cells import Cell, build_cells
from sweeps.report.curves import target_curves
from sweeps.report.figure import to_svg
from sweeps.report.latency import PairRows, architectures, pareto_points, read_benchmarks
from sweeps.report.latency import to_parquet as benchmark_parquet
from sweeps.report.matrix import grids, matrix_csv
from sweeps.report.page import render
from sweeps.report.paper import figure_files
from sweeps.report.parallel import draw
from sweeps.report.pareto import LATENCY
from sweeps.report.pareto import to_svg as pareto_svg
from sweeps.report.runs import cost_points
from sweeps.report.searches import by_target, searches_of
from sweeps.report.table import build_table, to_parquet
from sweeps.report.tables import to_csv, to_latex, to_markdown
from sweeps.results import StudyResult
from trainables.store import Store


class Report(NamedTuple):
    """What was written, and the cells for the terminal."""

    folder: Path
    answer: Answer
    cells: tuple[Cell, ...]

    @property
    def page(self) -> Path:
        """What a person opens."""
        return self.folder / "report.html"


def write_report(result: StudyResult, store: Store, folder: Path) -> Report:
    """Writes results.parquet, matrix.csv, matrix.svg, tables/, figures/ and report.html into `folder`, also for a study that is not
    finished; where inference is timed, benchmarks.parquet and pareto.svg too.

    Each file is written aside and renamed, the page last; the same study gives the same bytes, but for costs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arms = read_arms(result, store)
    cells = build_cells(result, arms)
    pairs, shapes = read_benchmarks(result, cells, store), architectures(result)
    answer = make_answer(Evidence(result, arms, cells, pairs))
    _replace(folder / "results.parquet", to_parquet(build_table(result)))
    _replace(folder / "matrix.csv", matrix_csv(result.study, cells).encode())
    _replace(folder / "matrix.svg", to_svg(grids(cells)))
    if pairs:
        _replace(folder / "benchmarks.parquet", benchmark_parquet(result.study, pairs, shapes))
        _replace(folder / "pareto.svg", pareto_svg(pareto_points(pairs), LATENCY))
    _replace(folder / "report.html", render(result, cells, answer, pairs, shapes).encode())
    _write_tables(folder / "tables", answer)
    _write_figures(folder / "figures", result, cells, pairs)
    return Report(folder, answer, cells)


def _write_tables(folder: Path, answer: Answer) -> None:
    """Each table as CSV, Markdown and LaTeX."""
    written = {
        f"{table.name}.{ending}": write(table).encode()
        for table in (*answer.tables, *answer.others)
        for ending, write in (("csv", to_csv), ("md", to_markdown), ("tex", to_latex))
    }
    _write_all(folder, written)


def _write_figures(folder: Path, result: StudyResult, cells: tuple[Cell, ...], pairs: Sequence[PairRows]) -> None:
    drawn = [found for each in by_target(searches_of(result.pairs)) if (found := draw(each)) is not None]
    _write_all(folder, figure_files(grids(cells), target_curves(result), drawn, cost_points(result, cells), pareto_points(pairs)))


def _write_all(folder: Path, written: Mapping[str, bytes]) -> None:
    """What an earlier report left there and this one has not is removed."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in written:
            path.unlink()
    for name, data in written.items():
        _replace(folder / name, data)


def _replace(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    aside.write_bytes(data)
    os.replace(aside, path)
