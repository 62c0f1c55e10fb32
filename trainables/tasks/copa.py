"""COPA: which of two sentences is the cause or the effect of a third (Roemmele et al. 2011; BSD 2-Clause)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Choice, Entries
from trainables.formats import jsonl_rows, member
from trainables.task import FileSource, HubSource, Task


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Choice:
    return make_choice(row, f"hub row {row['idx']}")


def read_files(paths: Sequence[Path], _language: str) -> Iterator[Choice]:
    for path in paths:
        for where, row in jsonl_rows(path):
            yield make_choice(row, where)


def read_blanked_files(paths: Sequence[Path], language: str) -> Entries:
    """SuperGLUE's test set has no labels; a copy of it in XTREME-R's layout has 0 for every one."""
    return (choice._replace(label=None) for choice in read_files(paths, language))


def make_choice(row: Mapping[str, Any], where: str) -> Choice:
    """The question is in English in every language of XCOPA too, as in XTREME-R's run_xcopa.py; labels of 0 and 1, -1 for none."""
    premise, question, first, second = (member(row, key, str, where) for key in ("premise", "question", "choice1", "choice2"))
    if question not in ("cause", "effect"):
        raise ValueError(f"{where}: expected question to be cause or effect, found {question!r}")
    label = member(row, "label", int, where) if "label" in row else -1
    example_id = str(member(row, "idx", int, where))
    return Choice(example_id, f"{premise.strip()} What was the {question}?", (first.strip(), second.strip()), label if label >= 0 else None)


TASK = Task(
    version=1,
    kind="multiple_choice",
    num_options=2,
    languages=("en",),
    metrics=("accuracy",),
    hub=HubSource(
        path="aps/super_glue",
        revision="3de24cf8022e94f4ee4b9d55a6f539891524d646",
        config="copa",
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={"train": ("copa/COPA/train.jsonl",), "dev": ("copa/COPA/val.jsonl",), "test": ("copa/COPA/test.jsonl",)}, read=read_files
        ),
        FileSource(paths={"train": ("copa/train-en.jsonl",), "dev": ("copa/val-en.jsonl",)}, read=read_files),
        FileSource(paths={"test": ("copa/test-en.jsonl",)}, read=read_blanked_files),
    ),
)
