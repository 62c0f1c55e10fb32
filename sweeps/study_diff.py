"""In what two studies differ: fields of their files, stages, and the scores of the cells that both have."""

from collections.abc import Mapping
from typing import Any

from sweeps.opened import Opened, walk_store
from sweeps.results import PairId, mean_score
from sweeps.why import Difference, differences
from trainables.specs import Record


class CellDiff(Record):
    """The score of a cell in either study, from 0 to 1; None where it is unfinished or not there."""

    pair: str
    here: float | None
    there: float | None

    def line(self) -> str:
        """In points of a hundred."""
        shown = " | ".join("-" if score is None else f"{100 * score:.1f}" for score in (self.here, self.there))
        gain = "" if self.here is None or self.there is None else f" ({100 * (self.there - self.here):+.1f})"
        return f"{self.pair}: {shown}{gain}"


class StudyDiff(Record):
    """Two studies side by side."""

    here: str
    there: str
    fields: tuple[Difference, ...]
    num_stages: int
    """Of both, but for what searches choose: encoders that pairs share."""
    num_common: int
    cells: tuple[CellDiff, ...]
    """That both have and some score is known of, and those that one has alone."""


def study_diff(here: Opened, there: Opened) -> StudyDiff:
    """Reads both as far as the store reaches."""
    walks = [walk_store(each)[0] for each in (here, there)]
    stages = [{spec.key for program in walk.programs for spec in program.shared_stages()} for walk in walks]
    scores = [{program.pair: mean_score(program.result()) for program in walk.programs} for walk in walks]
    pairs = [pair for pair in dict.fromkeys([*scores[0], *scores[1]]) if _is_news(pair, scores)]
    return StudyDiff(
        here=here.study.name,
        there=there.study.name,
        fields=differences(_given(here), _given(there)),
        num_stages=len(stages[0] | stages[1]),
        num_common=len(stages[0] & stages[1]),
        cells=tuple(CellDiff(pair=str(pair), here=scores[0].get(pair), there=scores[1].get(pair)) for pair in pairs),
    )


def _given(opened: Opened) -> Mapping[str, Any]:
    """What a study's file says; defaults are left out."""
    return opened.study.model_dump(mode="json", exclude_defaults=True)


def _is_news(pair: PairId, scores: list[dict[PairId, float | None]]) -> bool:
    return any(pair not in each or each[pair] is not None for each in scores)
