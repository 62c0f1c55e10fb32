"""Pocket target task: find each sentence's original in the source language (generated; Apache-2.0, as this project; see `trainables.pocket.world`)."""

from trainables.examples import Entries
from trainables.pocket.task_examples import retrieve
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.task import Split, Task

NEEDS = frozenset({"translation"})


def generate(split: Split, language: str) -> Entries:
    return retrieve("pocket_retrieval", split, language)


TASK = Task(
    version=1,
    kind="retrieval",
    languages=LANGUAGES[1:],
    source_language=SOURCE,
    metrics=("accuracy",),
    generate=generate,
)
