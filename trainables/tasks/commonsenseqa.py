"""CommonsenseQA: a question with five answers, one of them sensible (Talmor et al. 2019; MIT); the test answers are not published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Choice, Entries
from trainables.formats import jsonl_rows, member
from trainables.task import FileSource, HubSource, Task


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Choice:
    place = f"hub row {row['id']}"
    return make_choice(row["id"], row["question"], row["choices"]["label"], row["choices"]["text"], row["answerKey"], place)


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for where, row in jsonl_rows(path):
            question = member(row, "question", dict, where)
            choices = member(question, "choices", list, where)
            labels = [member(choice, "label", str, where) for choice in choices]
            texts = [member(choice, "text", str, where) for choice in choices]
            key = member(row, "answerKey", str, where) if "answerKey" in row else ""
            yield make_choice(member(row, "id", str, where), member(question, "stem", str, where), labels, texts, key, where)


def make_choice(example_id: str, prompt: str, labels: Sequence[str], texts: Sequence[str], key: str, place: str) -> Choice:
    """`key` is the letter of the right option, empty where it is not published."""
    if key and key not in labels:
        raise ValueError(f"{place}: expected answerKey to be one of {', '.join(labels)}, found {key!r}")
    return Choice(example_id, prompt, tuple(texts), labels.index(key) if key else None)


TASK = Task(
    version=1,
    kind="multiple_choice",
    num_options=5,
    languages=("en",),
    metrics=("accuracy",),
    hub=HubSource(
        path="tau/commonsense_qa",
        revision="94630fe30dad47192a8546eb75f094926d47e155",
        config=None,
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(
            paths={
                "train": ("commonsenseqa/train_rand_split.jsonl",),
                "dev": ("commonsenseqa/dev_rand_split.jsonl",),
                "test": ("commonsenseqa/test_rand_split_no_answers.jsonl",),
            },
            read=read_files,
        ),
    ),
)
