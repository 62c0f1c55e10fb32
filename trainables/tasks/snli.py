"""SNLI: does one caption of a picture entail another (Bowman et al. 2015; CC BY-SA 4.0)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import NLI_LABELS, nli_jsonl_pairs, nli_pair
from trainables.task import FileSource, HubSource, Split, Task


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Text | Dropped:
    return nli_pair(str(number), row["premise"], row["hypothesis"], row["label"])


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    """Ids count the rows, as on the hub, which does not have SNLI's own."""
    return nli_jsonl_pairs(paths, "sentence1", "sentence2", "gold_label")


def read_unified_files(paths: Sequence[Path], _language: str) -> Entries:
    """A redistribution with keys of its own and without the pairs that have no gold label."""
    return nli_jsonl_pairs(paths, "premise", "hypothesis", "label")


SPLITS: tuple[Split, ...] = ("train", "dev", "test")

TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=NLI_LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    hub=HubSource(
        path="stanfordnlp/snli",
        revision="cdb5c3d5eed6ead6e5a341c8e56e669bb666725b",
        config=None,
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(paths={split: (f"snli/snli_1.0/snli_1.0_{split}.jsonl",) for split in SPLITS}, read=read_files),
        FileSource(paths={"dev": ("snli/dev.unified.jsonl",)}, read=read_unified_files),
    ),
)
