"""RTE: does a text entail a hypothesis (Wang et al. 2019, from the PASCAL challenges; no licence was published)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Text
from trainables.formats import tsv_rows
from trainables.task import FileSource, HubSource, Task

LABELS = ("entailment", "not_entailment")
"""In the order of the hub's integers."""


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Text:
    """The hub marks the unpublished labels of the test split with -1."""
    return Text(str(row["idx"]), row["sentence1"], row["sentence2"], LABELS[row["label"]] if row["label"] >= 0 else None)


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for row in tsv_rows(path, ("index", "sentence1", "sentence2"), header=True):
            yield Text(row["index"], row["sentence1"], row["sentence2"], row.get("label"))


TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    hub=HubSource(
        path="nyu-mll/glue",
        revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
        config="rte",
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={"train": ("rte/RTE/train.tsv",), "dev": ("rte/RTE/dev.tsv",), "test": ("rte/RTE/test.tsv",)},
            read=read_files,
        ),
    ),
)
