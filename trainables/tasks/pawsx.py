"""PAWS-X: are two sentences with almost the same words paraphrases (Yang et al. 2019; free for any purpose, Google LLC named).

Rows are not parallel across languages. A sentence that the translators gave up on is the text "NS"; XTREME scores it like any other.
The hub's copy, XTREME's, lacks 226 of the 49,401 English training pairs, 39 Spanish and 12 French dev pairs, and one Korean test
pair by its own counts. The published files are read whole. The training sets of the other languages are machine translations; a pair
of which one sentence is blank, where that failed, is dropped.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import tsv_rows
from trainables.task import FileSource, HubSource, Split, Task


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Text | Dropped:
    return make_pair(str(number), row["sentence1"], row["sentence2"], row["label"])


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for row in tsv_rows(path, ("id", "sentence1", "sentence2", "label"), header=True):
            yield make_pair(row["id"], row["sentence1"], row["sentence2"], row["label"])


def read_xtreme_files(paths: Sequence[Path], _language: str) -> Entries:
    """XTREME's files have no ids, went through Python's csv writer, and lack the labels of the test split."""
    for path in paths:
        for number, row in enumerate(tsv_rows(path, ("sentence1", "sentence2", "label"), quoted=True, num_optional=1)):
            yield make_pair(str(number), row["sentence1"], row["sentence2"], row.get("label"))


def make_pair(example_id: str, first: str, second: str, label: str | None) -> Text | Dropped:
    if not first.strip() or not second.strip():
        return Dropped(example_id, "a sentence is blank")
    return Text(example_id, first.strip(), second.strip(), label)


SPLITS: tuple[Split, ...] = ("train", "dev", "test")

TASK = Task(
    version=1,
    kind="classification",
    languages=("de", "en", "es", "fr", "ja", "ko", "zh"),
    labels=("0", "1"),
    metrics=("accuracy",),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="PAWS-X.{language}",
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={
                "train": ("pawsx/x-final/{language}/train.tsv",),
                "dev": ("pawsx/x-final/{language}/dev_2k.tsv",),
                "test": ("pawsx/x-final/{language}/test_2k.tsv",),
            },
            read=read_files,
        ),
        FileSource(paths={"train": ("pawsx/x-final/{language}/translated_train.tsv",)}, read=read_files),
        FileSource(paths={split: (f"pawsx/{split}-{{language}}.tsv",) for split in SPLITS}, read=read_xtreme_files),
    ),
)
