"""Tables of a report as files that papers and spreadsheets take: CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
}


class Table(NamedTuple):
    """Text in rows and columns; the first column names the row."""

    name: str
    """Of its files, without an ending."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def to_csv(table: Table) -> str:
    """As spreadsheets read it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """A pipe table with its title."""
    lines = [_pipes(table.columns), "|" + "|".join([" --- ", *(" ---: " for _ in table.columns[1:])]) + "|", *map(_pipes, table.rows)]
    return f"**{table.title}**\n\n" + "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """A `table` that needs the booktabs package."""
    body = [" & ".join(map(_escaped, row)) + r" \\" for row in (table.columns, *table.rows)]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
    ]
    lines += [r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
