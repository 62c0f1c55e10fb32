"""Cosmos QA: what a blog post leaves unsaid, a question with four answers (Huang et al. 2019; CC BY 4.0).

The files hold 25,262 training and 2,985 dev questions; the X-STILTs paper counts 25,588 and 3,000.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Choice, Entries
from trainables.formats import csv_rows, jsonl_rows, member
from trainables.task import FileSource, HubSource, Task

FIELDS = ("id", "context", "question", "answer0", "answer1", "answer2", "answer3")


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Choice:
    """The hub marks the unpublished labels of the test split with -1."""
    return make_choice([row[field] for field in FIELDS], row["label"] if row["label"] >= 0 else None)


def read_csv_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for where, row in csv_rows(path, (*FIELDS, "label")):
            if not row["label"].isdecimal():
                raise ValueError(f"{where}: expected a label from 0 to 3, found {row['label']!r}")
            yield make_choice([row[field] for field in FIELDS], int(row["label"]))


def read_test_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for where, row in jsonl_rows(path):
            yield make_choice([member(row, field, str, where) for field in FIELDS], None)


def make_choice(fields: Sequence[str], label: int | None) -> Choice:
    """The prompt is the context and the question, as in jiant."""
    example_id, context, question, *options = (field.strip() for field in fields)
    return Choice(example_id, f"{context} {question}", tuple(options), label)


TASK = Task(
    version=1,
    kind="multiple_choice",
    num_options=4,
    languages=("en",),
    metrics=("accuracy",),
    hub=HubSource(
        path="allenai/cosmos_qa",
        revision="refs/convert/parquet",
        config=None,
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(paths={"train": ("cosmosqa/train.csv",), "dev": ("cosmosqa/valid.csv",)}, read=read_csv_files),
        FileSource(paths={"test": ("cosmosqa/test.jsonl",)}, read=read_test_files),
    ),
)
