"""The matrix itself as an answer: which intermediate trainings help which targets."""

from collections import Counter
from collections.abc import Iterator, Sequence

from sweeps.report.answers import Answer, Evidence
from sweeps.report.cells import Cell
from sweeps.report.matrix import Grid, grids
from sweeps.report.statistics import Estimate
from sweeps.report.tables import Table
from sweeps.report.wording import basis, count, interval, listing, points, signed
from sweeps.results import BASELINE


def answer(evidence: Evidence) -> Answer:
    """How many pairs help and hurt, and the largest gain of those that help, or of all where none does."""
    judged = [cell for cell in evidence.cells if cell.gain is not None]
    targets = dict.fromkeys(cell.pair.target for cell in evidence.cells)
    tables = (*map(_matrix, grids(evidence.cells)), *(table for target in targets for table in _by_language(target, evidence.cells)))
    if not judged:
        return Answer("No gain is measured yet.", (), tables)
    effects: Counter[str] = Counter(cell.effect for cell in judged)
    verdicts = [f"{effects[effect]} {words}" for effect, words in _WORDS if effects[effect]]
    helping = [cell for cell in judged if cell.effect == "helps"]
    best = max(helping or judged, key=lambda cell: 0.0 if cell.gain is None else cell.gain.value)
    assert best.gain is not None, "only measured cells are judged"
    which = "largest gain that is shown" if helping else "largest gain"
    largest = f"The {which} is that of {best.pair}: {signed(best.gain.value)} {basis(best.gain, best.replicate)}."
    paragraph = f"Of {count(len(judged), 'pair')} of an intermediate and a target {listing(verdicts)}. {largest}{_losing(best)}"
    return Answer(paragraph, (), tables)


def _losing(cell: Cell) -> str:
    """The languages that lose where the others gain, by name."""
    if not cell.is_judged or len(cell.languages) == 1:
        return ""
    if not cell.losing:
        return f" None of its {len(cell.languages)} languages is shown to lose."
    verb = "loses" if len(cell.losing) == 1 else "lose"
    return f" Of its {len(cell.languages)} languages {listing(list(cell.losing))} {verb}."


def _by_language(target: str, cells: Sequence[Cell]) -> Iterator[Table]:
    """Every language of a target, and every group of languages, a row each."""
    scored = [cell for cell in cells if cell.pair.target == target and cell.score is not None]
    languages = [(*_row_of(cell), one.language, *_numbers(one.score, one.gain)) for cell in scored for one in cell.languages]
    groups = [
        (*_row_of(cell), each.by, each.name, " ".join(each.languages), *_numbers(each.score, each.gain))
        for cell in scored
        for each in cell.groups
    ]
    head = ("intermediate", "model", "variant")
    if languages:
        yield Table(f"languages_{target}", f"{target} by language", (*head, "language", *_NUMBERS), tuple(languages))
    if groups:
        title = f"{target} by family and script, zero-shot languages"
        yield Table(f"groups_{target}", title, (*head, "by", "group", "languages", *_NUMBERS), tuple(groups))


_NUMBERS = ("score", "gain", "test examples", "seeds")


def _row_of(cell: Cell) -> tuple[str, str, str]:
    return cell.pair.intermediate, cell.pair.model, cell.pair.variant


def _numbers(score: Estimate, gain: Estimate | None) -> tuple[str, ...]:
    shown = "" if gain is None else f"{signed(gain.value)} {interval(gain, True)}"
    return f"{points(score.value)} {interval(score, False)}", shown, f"{score.num_examples:,}", str(score.num_seeds)


_WORDS = (
    ("helps", "help (the 95% interval of the gain lies above zero)"),
    ("hurts", "hurt"),
    ("unclear", "cannot be told apart from no effect"),
    ("unjudged", "rest on one seed, hence have no verdict"),
)


def _matrix(grid: Grid) -> Table:
    rows = tuple((name, *(_shown(grid.cells.get((name, target))) for target in grid.targets)) for name in grid.intermediates)
    name = "matrix_" + "".join(character if character.isalnum() else "_" for character in grid.title)
    return Table(name, f"{grid.title}: score without intermediate training, then gains in points", ("intermediate", *grid.targets), rows)


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.pair.intermediate == BASELINE:
        return "missing" if cell.score is None else f"{points(cell.score.value)} {interval(cell.score, False)}"
    return "missing" if cell.gain is None else f"{signed(cell.gain.value)} {interval(cell.gain, True)}{'*' if cell.is_significant else ''}"
