"""Pocket target task: find the sweet one among the nouns of a sentence (generated; Apache-2.0, as this project; see `trainables.pocket.world`)."""

from trainables.examples import Entries
from trainables.pocket.task_examples import Recipe, ask
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.task import Split, Task

NEEDS = frozenset({"flavour"})
RECIPE = Recipe("pocket_flavour_qa", "flavour", num_train=200, kinds_per_value=3)


def generate(split: Split, language: str) -> Entries:
    return ask(RECIPE, split, language)


TASK = Task(
    version=1,
    kind="span_qa",
    languages=LANGUAGES,
    source_language=SOURCE,
    metrics=("f1", "exact_match"),
    generate=generate,
)
