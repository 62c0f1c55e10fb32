"""Tables are written so that what reads them reads what was meant."""

import csv
import io

from sweeps.report.tables import Table, to_csv, to_latex, to_markdown

TABLE = Table("gains", "Gains of 50% & more", ("intermediate", "a_b"), (("mnli, all", "−1.0 [−2.0, +0.1]*"), ("x|y", "3")))


def test_csv_gives_the_cells_back() -> None:
    assert [tuple(row) for row in csv.reader(io.StringIO(to_csv(TABLE)))] == [TABLE.columns, *TABLE.rows]


def test_a_bar_in_a_cell_does_not_end_it_in_markdown() -> None:
    lines = to_markdown(TABLE).splitlines()
    assert lines[0] == "**Gains of 50% & more**"
    assert lines[2:] == ["| intermediate | a_b |", "| --- | ---: |", "| mnli, all | −1.0 [−2.0, +0.1]* |", r"| x\|y | 3 |"]


def test_latex_escapes_what_it_would_read() -> None:
    text = to_latex(TABLE)
    assert r"\caption{Gains of 50\% \& more}" in text
    assert r"intermediate & a\_b \\" in text
    assert r"mnli, all & $-$1.0 [$-$2.0, +0.1]* \\" in text
    assert text.count(r"\\") == 3
