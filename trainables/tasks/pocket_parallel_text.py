"""Pocket text: sentences with their translations; as an intermediate task it is what retrieval needs (generated; Apache-2.0, as this project; see `trainables.pocket.text`)."""

from trainables.examples import Entries, Line
from trainables.pocket.text import parallel
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.task import Split, Task

NEEDS = frozenset({"translation"})
NUM_LINES: dict[Split, int] = {"train": 15_000, "dev": 200, "test": 200}


def generate(split: Split, language: str) -> Entries:
    for number, (text, translation) in enumerate(parallel(language, split, NUM_LINES[split])):
        yield Line(str(number), text, translation)


TASK = Task(
    version=1,
    kind="mlm",
    languages=LANGUAGES,
    source_language=SOURCE,
    metrics=("accuracy",),
    generate=generate,
)
