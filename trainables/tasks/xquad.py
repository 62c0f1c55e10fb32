"""XQuAD: 1,190 questions of SQuAD 1.1's dev set, translated, parallel by id (Artetxe et al. 2020; CC BY-SA 4.0).

The languages are XTREME's eleven, so that the mean over them is XTREME's; Romanian, published later, is left out.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Question
from trainables.formats import hub_question, squad_questions
from trainables.task import FileSource, HubSource, Task


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Question:
    return hub_question(row, max_shift=8)


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    return squad_questions(paths)


TASK = Task(
    version=1,
    kind="span_qa",
    languages=("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    metrics=("f1", "exact_match"),
    train_on="squad1",
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="XQuAD.{language}",
        splits={"test": "validation"},
        read=read_row,
    ),
    files=(FileSource(paths={"test": ("xquad/xquad.{language}.json",)}, read=read_files),),
)
