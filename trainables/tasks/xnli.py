"""XNLI: MultiNLI's question in fifteen languages, parallel by row (Conneau et al. 2018; CC BY-NC 4.0).

The hub's copy is XTREME's: one config for all languages, in the order of the published files, whose rows count those of a language.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import NLI_LABELS, jsonl_rows, member, nli_pair, tsv_rows
from trainables.task import FileSource, HubSource, Task


def is_in(row: Mapping[str, Any], language: str) -> bool:
    return bool(row["language"] == language)


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Text | Dropped:
    return nli_pair(str(number), row["sentence1"], row["sentence2"], row["gold_label"])


def read_files(paths: Sequence[Path], language: str) -> Entries:
    """The published files hold all languages; ids count the rows of this one, so that they are the same in every language."""
    for path in paths:
        rows = ((where, row) for where, row in jsonl_rows(path) if member(row, "language", str, where) == language)
        for number, (where, row) in enumerate(rows):
            yield nli_pair(str(number), *(member(row, key, str, where) for key in ("sentence1", "sentence2", "gold_label")))


def read_xtreme_files(paths: Sequence[Path], _language: str) -> Entries:
    """XTREME's files; those of the test split have no labels."""
    for path in paths:
        for number, row in enumerate(tsv_rows(path, ("premise", "hypothesis", "label"), quoted=True, num_optional=1)):
            yield nli_pair(str(number), row["premise"], row["hypothesis"], row.get("label"))


TASK = Task(
    version=1,
    kind="classification",
    languages=("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    labels=NLI_LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    train_on="mnli",
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="XNLI",
        belongs=is_in,
        splits={"dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(paths={"dev": ("xnli/XNLI-1.0/xnli.dev.jsonl",), "test": ("xnli/XNLI-1.0/xnli.test.jsonl",)}, read=read_files),
        FileSource(paths={"dev": ("xnli/dev-{language}.tsv",), "test": ("xnli/test-{language}.tsv",)}, read=read_xtreme_files),
    ),
)
