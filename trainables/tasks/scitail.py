"""SciTail: does a sentence entail a science fact (Khot et al. 2018; Apache-2.0)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Text
from trainables.formats import nli_jsonl_pairs, tsv_rows
from trainables.task import FileSource, HubSource, Task

LABELS = ("entailment", "not_entailment")
NAMES = {"entails": LABELS[0], "neutral": LABELS[1]}
"""Those of the release."""


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Text:
    return Text(str(number), row["premise"].strip(), row["hypothesis"].strip(), NAMES.get(row["label"], row["label"]))


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for number, row in enumerate(tsv_rows(path, ("premise", "hypothesis", "label"))):
            yield Text(str(number), row["premise"].strip(), row["hypothesis"].strip(), NAMES.get(row["label"], row["label"]))


def read_unified_files(paths: Sequence[Path], _language: str) -> Entries:
    """A later release that names the labels as RTE does."""
    return nli_jsonl_pairs(paths, "premise", "hypothesis", "label")


TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    hub=HubSource(
        path="allenai/scitail",
        revision="main",
        config="tsv_format",
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={
                "train": ("scitail/SciTailV1.1/tsv_format/scitail_1.0_train.tsv",),
                "dev": ("scitail/SciTailV1.1/tsv_format/scitail_1.0_dev.tsv",),
                "test": ("scitail/SciTailV1.1/tsv_format/scitail_1.0_test.tsv",),
            },
            read=read_files,
        ),
        FileSource(paths={"test": ("scitail/test.unified.jsonl",)}, read=read_unified_files),
    ),
)
