"""MultiNLI's training set in XNLI's fourteen other languages, by machine (Conneau et al. 2018, Hu et al. 2020; CC BY-NC 4.0).

Two translations were published, and differ. XNLI's (XNLI-MT-1.0; the hub's copy is of it) is parallel by row to MultiNLI, 392,702 pairs,
its words cut apart by spaces as Moses does; XTREME's is in an order of its own, with the English pair beside each. A data folder
that holds both is read as XNLI's. Checked against what XTREME's, jiant's and TensorFlow's scripts read; the files were not at hand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import NLI_LABELS, nli_pair, tsv_rows
from trainables.places import last_row
from trainables.task import FileSource, HubSource, Task


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Text | Dropped:
    return make_pair(str(number), row["premise"], row["hypothesis"], row["label"])


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for number, row in enumerate(tsv_rows(path, ("premise", "hypo", "label"), header=True)):
            yield make_pair(str(number), row["premise"], row["hypo"], row["label"])


def read_xtreme_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for number, row in enumerate(tsv_rows(path, ("english_premise", "english_hypothesis", "premise", "hypothesis", "label"))):
            yield make_pair(str(number), row["premise"], row["hypothesis"], row["label"])


def make_pair(example_id: str, premise: str, hypothesis: str, label: str | int) -> Text | Dropped:
    """No script that reads these translations leaves a blank sentence out, so that one is a damaged file."""
    if not premise.strip() or not hypothesis.strip():
        raise ValueError(f"{last_row()}: expected two sentences, found a blank {'hypothesis' if premise.strip() else 'premise'}")
    return nli_pair(example_id, premise, hypothesis, label)


TASK = Task(
    version=1,
    kind="classification",
    languages=("ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
    labels=NLI_LABELS,
    metrics=("accuracy",),
    translated_from="mnli",
    hub=HubSource(
        path="facebook/xnli",
        revision="b8dd5d7af51114dbda02c0e3f6133f332186418e",
        config="{language}",
        splits={"train": "train"},
        read=read_row,
    ),
    files=(
        FileSource(paths={"train": ("xnli/XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",)}, read=read_files),
        FileSource(paths={"train": ("xtreme_translations/XNLI/translate-train/en-{language}-translated.tsv",)}, read=read_xtreme_files),
    ),
)
