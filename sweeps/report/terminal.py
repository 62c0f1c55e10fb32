"""The transfer matrix as a table for the terminal."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sweeps.report.cells import Cell
from sweeps.report.matrix import Grid, grids
from sweeps.report.wording import count, half_width, points, signed
from sweeps.results import BASELINE

_STYLES = {"helps": "bold blue", "hurts": "bold dark_orange3", "unclear": "", "unjudged": ""}


def terminal_matrix(cells: Sequence[Cell]) -> Group:
    """A table per model and variant with its notes; the colours vanish where the output is no terminal."""
    return Group(*(part for grid in grids(cells) for part in _parts(grid)))


def _parts(grid: Grid) -> list[Table | Text]:
    footnotes: dict[str, int] = {}
    table = Table(title=Text(grid.title), title_justify="left")
    table.add_column(Text("intermediate"), overflow="fold")  # cut off, two tasks can look the same
    for target in grid.targets:
        table.add_column(Text("\n".join(grid.heading(target)), overflow="fold"), justify="right", overflow="fold")
    for intermediate in grid.intermediates:
        label = f"{BASELINE} (score)" if intermediate == BASELINE else intermediate
        cells = [_cell(grid, intermediate, target, footnotes) for target in grid.targets]
        table.add_row(Text(label), *cells, end_section=intermediate == BASELINE)
    legend = (
        f"Gain in points over the score without intermediate training, ± half of its 95% interval, from {count(grid.usual_seeds, 'seed')} "
        "and n test examples. * differs from 0 after Holm's correction (p < 0.05)."
    )
    zero_shot = [text for target in grid.targets if (text := _zero_shot(grid, target))]
    notes = [legend, *zero_shot, *(f"[{number}] {text}" for text, number in footnotes.items())]
    return [table, *(Text(note, style="dim") for note in notes), Text("")]


def _zero_shot(grid: Grid, target: str) -> str | None:
    """What of the first row's score is transfer, and what guessing would give; None where all languages are zero-shot, or none."""
    cell = grid.cells.get((BASELINE, target))
    if cell is None or cell.zero_shot is None or cell.is_retrieval:
        return None
    chance = "" if cell.chance is None else f", chance {points(cell.chance)}"
    return f"{target}: zero-shot, without {cell.source_language}, {BASELINE} scores {points(cell.zero_shot.value)}{chance}."


def _cell(grid: Grid, intermediate: str, target: str, footnotes: dict[str, int]) -> Text:
    cell = grid.cells.get((intermediate, target))
    if cell is None:
        return Text("")
    shown = cell.score if cell.is_baseline else cell.gain
    texts = [cell.problem or "no gain"] if shown is None else list(cell.notes)
    if shown is not None and shown.num_seeds not in (1, grid.usual_seeds):
        texts.append(f"rests on {count(shown.num_seeds, cell.replicate)}")
    marks = "".join(f" [{footnotes.setdefault(text, len(footnotes) + 1)}]" for text in texts)
    if shown is None:
        return Text(f"missing{marks}", style="dim")
    number = points(shown.value) if cell.is_baseline else signed(shown.value)
    significant = "*" if cell.is_significant else " "
    return Text(f"{number} ± {half_width(shown)}{significant}", style=_STYLES[cell.effect]).append(marks, style="dim")
