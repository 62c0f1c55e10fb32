"""The matrix itself as an answer: which intermediate trainings help which targets."""

from collections import Counter

from sweeps.report.answers import Answer, Evidence
from sweeps.report.cells import Cell
from sweeps.report.matrix import Grid, grids
from sweeps.report.tables import Table
from sweeps.report.wording import basis, count, interval, listing, points, signed
from sweeps.results import BASELINE


def answer(evidence: Evidence) -> Answer:
    """How many pairs help and hurt, and the largest gain of those that help, or of all where none does."""
    judged = [cell for cell in evidence.cells if cell.gain is not None]
    tables = tuple(_table(grid) for grid in grids(evidence.cells))
    if not judged:
        return Answer("No gain is measured yet.", tables)
    effects: Counter[str] = Counter(cell.effect for cell in judged)
    verdicts = [f"{effects[effect]} {words}" for effect, words in _WORDS if effects[effect]]
    helping = [cell for cell in judged if cell.effect == "helps"]
    best = max(helping or judged, key=lambda cell: 0.0 if cell.gain is None else cell.gain.value)
    assert best.gain is not None, "only measured cells are judged"
    which = "largest gain that is shown" if helping else "largest gain"
    largest = f"The {which} is that of {best.pair}: {signed(best.gain.value)} {basis(best.gain, best.replicate)}."
    return Answer(f"Of {count(len(judged), 'pair')} of an intermediate and a target {listing(verdicts)}. {largest}", tables)


_WORDS = (
    ("helps", "help (the 95% interval of the gain lies above zero)"),
    ("hurts", "hurt"),
    ("unclear", "cannot be told apart from no effect"),
    ("unjudged", "rest on one seed, hence have no verdict"),
)


def _table(grid: Grid) -> Table:
    rows = tuple((name, *(_shown(grid.cells.get((name, target))) for target in grid.targets)) for name in grid.intermediates)
    name = "matrix_" + "".join(character if character.isalnum() else "_" for character in grid.title)
    return Table(name, f"{grid.title}: score without intermediate training, then gains in points", ("intermediate", *grid.targets), rows)


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.pair.intermediate == BASELINE:
        return "missing" if cell.score is None else f"{points(cell.score.value)} {interval(cell.score, False)}"
    return "missing" if cell.gain is None else f"{signed(cell.gain.value)} {interval(cell.gain, True)}{'*' if cell.is_significant else ''}"
