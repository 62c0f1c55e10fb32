"""The transfer matrix, a row per intermediate and a column per target; and `matrix.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sweeps.report.cells import Cell
from sweeps.report.statistics import Estimate
from sweeps.results import PairId

_FULL_COLOUR = 0.05
"""The least gain that may have the full colour."""
_UNCLEAR = 1 / 3
"""Of a colour, where an interval holds zero."""


class Grid(NamedTuple):
    """The cells of one model and variant."""

    model: str
    variant: str
    intermediates: tuple[str, ...]
    """The baseline first."""
    targets: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    """By intermediate and target; a pair that the study does not have is absent."""
    usual_seeds: int
    """How many seeds most cells have."""

    @property
    def title(self) -> str:
        """The model, and the variant where there is one."""
        return self.model if self.variant == "base" else f"{self.model}, {self.variant}"

    def tint(self, gain: Estimate) -> float:
        """How full the colour of a gain is, from 0 to 1, which the matrix' largest has: pale where the interval holds zero, and wherever
        all gains are small."""
        largest = max([_FULL_COLOUR, *(abs(cell.gain.value) for cell in self.cells.values() if cell.gain is not None)])
        share = min(abs(gain.value) / largest, 1.0)
        return share * _UNCLEAR if gain.low <= 0 <= gain.high else share

    def heading(self, target: str) -> tuple[str, ...]:
        """The target, its metric and its number of test examples."""
        scored = [cell for (_, column), cell in self.cells.items() if column == target]
        found = [(str(cell.metric), f"n={cell.score.num_examples:,}") for cell in scored if cell.score is not None]
        return (target, *found[0]) if found else (target,)


def grids(cells: Sequence[Cell]) -> tuple[Grid, ...]:
    """One matrix a model and variant, in the study's order."""
    return tuple(
        _grid(model, variant, [cell for cell in cells if (cell.pair.model, cell.pair.variant) == (model, variant)])
        for model, variant in dict.fromkeys((cell.pair.model, cell.pair.variant) for cell in cells)
    )


def _grid(model: str, variant: str, cells: Sequence[Cell]) -> Grid:
    ordered = sorted(cells, key=lambda cell: not cell.is_baseline)
    num_seeds = [len(cell.seeds) for cell in cells if cell.seeds]
    return Grid(
        model,
        variant,
        tuple(dict.fromkeys(cell.pair.intermediate for cell in ordered)),
        tuple(dict.fromkeys(cell.pair.target for cell in cells)),
        {(cell.pair.intermediate, cell.pair.target): cell for cell in cells},
        max(sorted(set(num_seeds)), key=num_seeds.count, default=0),
    )


def matrix_csv(study: str, cells: Sequence[Cell]) -> str:
    """A line a cell: scores and gains in points of a hundred; keys and seeds separated by spaces, notes by semicolons.

    What others published is in columns of its own, the last ones.
    """
    out = io.StringIO()
    no_cell = Cell(PairId("", "", "", ""))
    writer = csv.DictWriter(out, ["study", *_csv_row(no_cell)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"study": study} | _csv_row(cell) for cell in cells)
    return out.getvalue()


def _csv_row(cell: Cell) -> dict[str, str | int]:
    shown = cell.score if cell.gain is None else cell.gain
    return {
        **cell.pair._asdict(),
        "metric": cell.metric or "",
        **_csv_estimate("gain", cell.gain),
        "p_value": "" if cell.gain is None else f"{cell.gain.p_value:.3g}",
        "holm_p": "" if cell.holm_p is None else f"{cell.holm_p:.3g}",
        **_csv_estimate("score", cell.score),
        **_csv_estimate("baseline", cell.baseline),
        **_csv_estimate("zero_shot_gain", cell.zero_shot_gain),
        **_csv_estimate("zero_shot", cell.zero_shot),
        **_csv_estimate("gap", cell.gap),
        "chance": "" if cell.chance is None else f"{100 * cell.chance:.4f}",
        "num_seeds": "" if shown is None else shown.num_seeds,
        "num_examples": "" if shown is None else shown.num_examples,
        "num_languages": len(cell.languages),
        "num_encoders": len(cell.encoder_keys),
        "seeds": " ".join(map(str, cell.seeds)),
        "evaluation_keys": " ".join(cell.evaluation_keys),
        "baseline_keys": " ".join(cell.baseline_keys),
        "encoder_keys": " ".join(cell.encoder_keys),
        "problem": cell.problem or "",
        "notes": "; ".join(cell.notes),
        "published_gain": _csv_published("gain", cell),
        "published_score": _csv_published("score", cell),
        "published_in": "; ".join(f"{each.words}: {each.source}" for each in cell.published),
    }


def _csv_published(kind: str, cell: Cell) -> str:
    """Several sources' numbers are separated by spaces."""
    return " ".join(f"{each.value:g}" for each in cell.published if each.kind == kind)


def _csv_estimate(name: str, estimate: Estimate | None) -> dict[str, str]:
    values = ("", "", "") if estimate is None else tuple(f"{100 * value:.4f}" for value in estimate[:3])
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
