"""Pocket intermediate task: which colour do the nouns of a sentence share; no target needs it (generated; Apache-2.0, as this project; see `trainables.pocket.world`)."""

from trainables.examples import Entries
from trainables.pocket.task_examples import Recipe, classify
from trainables.pocket.world import LANGUAGES, SOURCE, VALUE_NAMES
from trainables.task import Split, Task

NEEDS = frozenset({"colour"})
RECIPE = Recipe("pocket_colour_class", "colour", num_train=2400)


def generate(split: Split, language: str) -> Entries:
    return classify(RECIPE, split, language)


TASK = Task(
    version=1,
    kind="classification",
    languages=LANGUAGES,
    source_language=SOURCE,
    labels=VALUE_NAMES["colour"],
    metrics=("accuracy",),
    generate=generate,
)
