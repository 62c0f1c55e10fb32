"""SNLI: does one caption of a picture entail another (Bowman et al. 2015; CC BY-SA 4.0).

Where SNLI's own training file is absent, the train split is read from the counterfactually augmented part of it (Kaushik et al.
2020; Apache-2.0): 1,666 pairs of SNLI and their rewrites into the other labels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import NLI_LABELS, nli_jsonl_pairs, nli_pair, tsv_rows
from trainables.task import FileSource, HubSource, Split, Task


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Text | Dropped:
    return nli_pair(str(number), row["premise"], row["hypothesis"], row["label"])


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    """Ids count the rows, as on the hub, which does not have SNLI's own."""
    return nli_jsonl_pairs(paths, "sentence1", "sentence2", "gold_label")


def read_unified_files(paths: Sequence[Path], _language: str) -> Entries:
    """A redistribution with keys of its own and without the pairs that have no gold label."""
    return nli_jsonl_pairs(paths, "premise", "hypothesis", "label")


def read_augmented_files(paths: Sequence[Path], _language: str) -> Entries:
    columns = ("sentence1", "sentence2", "gold_label")
    for path in paths:
        for number, row in enumerate(tsv_rows(path, columns, header=True, quoted=True)):
            yield nli_pair(str(number), *(row[column] for column in columns))


SPLITS: tuple[Split, ...] = ("train", "dev", "test")

TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=NLI_LABELS,
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
        FileSource(paths={"train": ("snli_cad/NLI/all_combined/train.tsv",)}, read=read_augmented_files),
    ),
)
