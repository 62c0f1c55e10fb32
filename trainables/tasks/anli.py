"""ANLI: inference pairs written to fool a model, in three rounds (Nie et al. 2020; CC BY-NC 4.0); the rounds are read as one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Text
from trainables.formats import NLI_LABELS, jsonl_rows, member, nli_jsonl_pairs, nli_pair
from trainables.task import FileSource, HubSource, Split, Task

LETTERS = {"e": "entailment", "n": "neutral", "c": "contradiction"}
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Text | Dropped:
    return nli_pair(row["uid"], row["premise"], row["hypothesis"], row["label"])


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for where, row in jsonl_rows(path):
            uid, premise, hypothesis = (member(row, key, str, where) for key in ("uid", "context", "hypothesis"))
            letter = member(row, "label", str, where) if "label" in row else None
            yield nli_pair(uid, premise, hypothesis, letter and LETTERS.get(letter, letter))


def read_unified_files(paths: Sequence[Path], _language: str) -> Entries:
    """A later release names the keys and labels as other inference data do, and has no ids: rows are numbered."""
    return nli_jsonl_pairs(paths, "premise", "hypothesis", "label")


TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=NLI_LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    hub=HubSource(
        path="facebook/anli",
        revision="8e4813d81f46d313dac7892e1c28076917cfcdf9",
        config=None,
        splits={split: "+".join(f"{split}_r{number}" for number in (1, 2, 3)) for split in SPLITS},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={split: tuple(f"anli/anli_v1.0/R{number}/{split}.jsonl" for number in (1, 2, 3)) for split in SPLITS}, read=read_files
        ),
        FileSource(paths={"test": ("anli/test_r1_r2_r3.unified.jsonl",)}, read=read_unified_files),
    ),
)
