"""What a study was made to find out, said first: one paragraph with its intervals, and the tables that it rests on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sweeps.report.arms import Arm, Missing
from sweeps.report.cells import Cell
from sweeps.report.latency import PairRows
from sweeps.report.tables import Table
from sweeps.results import PairId, StudyResult


class Evidence(NamedTuple):
    """All that an answer is made from."""

    result: StudyResult
    arms: Mapping[PairId, Arm | Missing]
    cells: Sequence[Cell]
    timed: Sequence[PairRows]
    """Pairs whose inference was timed."""


class Answer(NamedTuple):
    """What the report opens with."""

    paragraph: str
    tables: tuple[Table, ...]
    """That the paragraph rests on."""
    others: tuple[Table, ...] = ()
    """For files alone: the page has these numbers in another form."""
