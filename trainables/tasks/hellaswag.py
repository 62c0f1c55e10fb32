"""HellaSwag: how does a caption or a how-to go on, among four machine-made endings (Zellers et al. 2019; MIT)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Choice, Entries
from trainables.formats import jsonl_rows, member, of_kind
from trainables.task import FileSource, HubSource, Task


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Choice:
    """The label is a string there, empty in the test split."""
    return Choice(str(number), row["ctx"].strip(), tuple(row["endings"]), int(row["label"]) if row["label"] else None)


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    """`ind` counts within each of the two sources, so ids are row numbers."""
    for path in paths:
        for number, (where, row) in enumerate(jsonl_rows(path)):
            endings = tuple(of_kind(ending, str, f"{where}: endings") for ending in member(row, "endings", list, where))
            yield Choice(
                str(number), member(row, "ctx", str, where).strip(), endings, member(row, "label", int, where) if "label" in row else None
            )


TASK = Task(
    version=1,
    kind="multiple_choice",
    num_options=4,
    languages=("en",),
    metrics=("accuracy",),
    hub=HubSource(
        path="Rowan/hellaswag",
        revision="218ec52e09a7e7462a5400043bb9a69a41d06b76",
        config=None,
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={
                "train": ("hellaswag/hellaswag_train.jsonl",),
                "dev": ("hellaswag/hellaswag_val.jsonl",),
                "test": ("hellaswag/hellaswag_test.jsonl",),
            },
            read=read_files,
        ),
        FileSource(paths={"dev": ("hellaswag/hellaswag_val.1000.jsonl",)}, read=read_files),
    ),
)
