"""Pocket target task: choose the nouns of low rank (generated; Apache-2.0, as this project; see `trainables.pocket.world`)."""

from trainables.examples import Entries
from trainables.pocket.task_examples import Recipe, choose
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.task import Split, Task

NEEDS = frozenset({"rank"})
RECIPE = Recipe("pocket_rank_choice", "rank", num_train=200, kinds_per_value=3)


def generate(split: Split, language: str) -> Entries:
    return choose(RECIPE, split, language)


TASK = Task(
    version=1,
    kind="multiple_choice",
    languages=LANGUAGES,
    source_language=SOURCE,
    metrics=("accuracy",),
    generate=generate,
)
