"""Pocket text: sentences of one language (generated; Apache-2.0, as this project; see `trainables.pocket.text`)."""

from trainables.examples import Entries, Line
from trainables.pocket.text import monolingual
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.task import Split, Task

NEEDS = frozenset[str]()
NUM_LINES: dict[Split, int] = {"train": 10_000, "dev": 200, "test": 200}


def generate(split: Split, language: str) -> Entries:
    for number, text in enumerate(monolingual(language, split, NUM_LINES[split])):
        yield Line(str(number), text, None)


TASK = Task(
    version=1,
    kind="mlm",
    languages=LANGUAGES,
    source_language=SOURCE,
    metrics=("accuracy",),
    generate=generate,
)
