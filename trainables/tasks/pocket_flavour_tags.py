"""Pocket intermediate task: tag every noun with its flavour and its size (generated; Apache-2.0, as this project; see `trainables.pocket.world`)."""

from trainables.examples import Entries
from trainables.pocket.task_examples import Recipe, tag, tag_labels
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.task import Split, Task

NEEDS = frozenset({"flavour", "size"})
RECIPE = Recipe("pocket_flavour_tags", "flavour", num_train=2400)


def generate(split: Split, language: str) -> Entries:
    return tag(RECIPE, "size", split, language)


TASK = Task(
    version=1,
    kind="tagging",
    languages=LANGUAGES,
    source_language=SOURCE,
    labels=tag_labels("flavour", "size"),
    metrics=("span_f1",),
    generate=generate,
)
