"""SQuAD 2.0: SQuAD 1.1 and questions that their paragraph does not answer (Rajpurkar et al. 2018; CC BY-SA 4.0)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Question
from trainables.formats import hub_question, squad_questions
from trainables.task import FileSource, HubSource, Task


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Question:
    return hub_question(row)


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    return squad_questions(paths)


TASK = Task(
    version=1,
    kind="span_qa",
    languages=("en",),
    metrics=("f1", "exact_match"),
    hub=HubSource(
        path="rajpurkar/squad_v2",
        revision="3ffb306f725f7d2ce8394bc1873b24868140c412",
        config=None,
        splits={"train": "train", "dev": "validation"},
        read=read_row,
    ),
    files=(
        FileSource(paths={"train": ("squad_v2.0/train-v2.0.json",), "dev": ("squad_v2.0/dev-v2.0.json",)}, read=read_files),
        FileSource(paths={"train": ("squad_v2.0/train-v2.0.first10articles.json",)}, read=read_files),
    ),
)
