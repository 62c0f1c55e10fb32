"""QQP: do two questions of Quora ask the same (Iyer et al. 2017; licence: Quora's terms, non-commercial; split as in GLUE)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import tsv_rows
from trainables.task import FileSource, HubSource, Task

LABELS = ("not_duplicate", "duplicate")
"""In the order of the hub's integers, which are those of the files; the second is what `binary_f1` finds."""
INTEGERS = {"0": LABELS[0], "1": LABELS[1]}


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Text | Dropped:
    """The hub marks the unpublished labels of the test split with -1."""
    return make_pair(str(row["idx"]), row["question1"], row["question2"], LABELS[row["label"]] if row["label"] >= 0 else None)


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    """Ids are row numbers, as on the hub; the files' own are not unique to a split. A label that is no 0 or 1 is refused as it stands."""
    for path in paths:
        for number, row in enumerate(tsv_rows(path, ("question1", "question2"), header=True)):
            label = row.get("is_duplicate")
            yield make_pair(str(number), row["question1"], row["question2"], label and INTEGERS.get(label, label))


def make_pair(example_id: str, first: str, second: str, label: str | None) -> Text | Dropped:
    """Two rows of the training file hold no second question."""
    if not first.strip() or not second.strip():
        return Dropped(example_id, "a question is blank")
    return Text(example_id, first.strip(), second.strip(), label)


TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=LABELS,
    metrics=("accuracy", "binary_f1"),
    hub=HubSource(
        path="nyu-mll/glue",
        revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
        config="qqp",
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(paths={"train": ("qqp/QQP/train.tsv",), "dev": ("qqp/QQP/dev.tsv",), "test": ("qqp/QQP/test.tsv",)}, read=read_files),
    ),
)
