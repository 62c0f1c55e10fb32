"""Social IQa: a situation, a question about the people in it, and three answers (Sap et al. 2019; CC BY 4.0)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Choice, Entries
from trainables.formats import jsonl_rows, member
from trainables.task import FileSource, HubSource, Task

FIELDS = ("context", "question", "answerA", "answerB", "answerC")


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Choice:
    """The label is a string there, counted from 1."""
    return make_choice(str(number), [row[field] for field in FIELDS], int(row["label"]) - 1)


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    """The release with `correct` in the questions' own lines (v1.4)."""
    for path in paths:
        for number, (where, row) in enumerate(jsonl_rows(path)):
            letter = member(row, "correct", str, where)
            if letter not in ("A", "B", "C"):
                raise ValueError(f"{where}: expected correct to be one of A, B, C, found {letter!r}")
            yield make_choice(str(number), [member(row, field, str, where) for field in FIELDS], "ABC".index(letter))


def make_choice(example_id: str, fields: Sequence[str], label: int) -> Choice:
    context, question, *options = (field.strip() for field in fields)
    return Choice(example_id, f"{context} {question}", tuple(options), label)


TASK = Task(
    version=1,
    kind="multiple_choice",
    num_options=3,
    languages=("en",),
    metrics=("accuracy",),
    hub=HubSource(
        path="allenai/social_i_qa",
        revision="refs/convert/parquet",
        config=None,
        splits={"train": "train", "dev": "validation"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={
                "train": ("socialiqa/socialIQa_v1.4_trn.jsonl",),
                "dev": ("socialiqa/socialIQa_v1.4_dev.jsonl",),
                "test": ("socialiqa/socialIQa_v1.4_tst.jsonl",),
            },
            read=read_files,
        ),
    ),
)
