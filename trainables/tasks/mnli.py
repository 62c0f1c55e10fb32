"""MultiNLI: does a premise entail a hypothesis, in ten genres of English (Williams et al. 2018; OANC, CC BY and CC BY-SA licences)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import NLI_LABELS, jsonl_rows, member, nli_jsonl_pairs, nli_pair
from trainables.task import FileSource, HubSource, Task


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Text | Dropped:
    return nli_pair(row["pairID"], row["premise"], row["hypothesis"], row["label"])


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for where, row in jsonl_rows(path):
            yield nli_pair(*(member(row, key, str, where) for key in ("pairID", "sentence1", "sentence2", "gold_label")))


def read_unified_files(paths: Sequence[Path], _language: str) -> Entries:
    """A redistribution with keys of its own, no ids, and without the pairs that have no gold label."""
    return nli_jsonl_pairs(paths, "premise", "hypothesis", "label")


TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=NLI_LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    hub=HubSource(
        path="nyu-mll/multi_nli",
        revision="da70db2af9d09693783c3320c4249840212ee221",
        config=None,
        splits={"train": "train", "dev": "validation_matched"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={
                "train": ("mnli/multinli_1.0/multinli_1.0_train.jsonl",),
                "dev": ("mnli/multinli_1.0/multinli_1.0_dev_matched.jsonl",),
            },
            read=read_files,
        ),
        FileSource(paths={"dev": ("mnli/dev_matched.unified.jsonl",)}, read=read_unified_files),
    ),
)
