"""Pocket target task: tag every noun with its shape (generated; Apache-2.0, as this project; see `trainables.pocket.world`)."""

from trainables.examples import Entries
from trainables.pocket.task_examples import Recipe, tag, tag_labels
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.task import Split, Task

NEEDS = frozenset({"shape"})
RECIPE = Recipe("pocket_shape_tags", "shape", num_train=200, kinds_per_value=3)


def generate(split: Split, language: str) -> Entries:
    return tag(RECIPE, None, split, language)


TASK = Task(
    version=1,
    kind="tagging",
    languages=LANGUAGES,
    source_language=SOURCE,
    labels=tag_labels("shape", None),
    metrics=("span_f1",),
    generate=generate,
)
