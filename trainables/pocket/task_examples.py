"""The examples of the pocket tasks: the same meanings in every language, none of them in two splits of a task.

A target's training split covers few kinds, so that a model has to know the attribute from elsewhere to do well on the others.
"""

import functools
import itertools
import random
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from trainables.examples import Answer, Choice, Passage, Question, Text
from trainables.examples import Sentence as TaggedSentence
from trainables.pocket.world import (
    NOUNS_PER_KIND,
    NUM_KINDS,
    SOURCE,
    VALUE_NAMES,
    Attribute,
    Noun,
    Sentence,
    draw_sentence,
    join,
    kinds_with,
    lexicon,
    say,
    value_name,
)
from trainables.splits import subset_order
from trainables.task import Split

NUM_DEV = 150
NUM_TEST = 600
NUM_OPTIONS = 3
SOUGHT = 0
"""The value that questions and prompts ask for."""
_REMAINDERS: dict[Split, tuple[int, ...]] = {"train": (2, 3, 4), "dev": (1,), "test": (0,)}

Item = TypeVar("Item", bound=Hashable)


class Recipe(NamedTuple):
    """What a task is about, and the size and cover of its training split."""

    task: str
    attribute: Attribute
    num_train: int
    kinds_per_value: int = 9
    """How many of the nine kinds of each value the training split covers: few in a target, all in an intermediate task."""


def classify(recipe: Recipe, split: Split, language: str) -> Iterator[Text]:
    """Sentences with three nouns that share a value, which is the label."""

    def draw_item(draw: random.Random, number: int) -> Sentence:
        covered = _kinds(recipe, split, number % 3)
        return draw_sentence(draw, [draw.choice(covered) for _ in range(3)])

    for number, sentence in enumerate(_draw_items(recipe.task, recipe.num_train, split, draw_item, _nouns)):
        yield Text(str(number), join(say(sentence, language)), None, value_name(sentence.subject[0].kind, recipe.attribute))


def repeat(examples: Iterable[Text], num_copies: int) -> Iterator[Text]:
    """Each example `num_copies` times, under ids by which a subset of them holds all copies of what a smaller one of the examples holds."""
    once = list(examples)
    copies = [once[place] for place in subset_order([example.id for example in once]) for _ in range(num_copies)]
    ids = [str(number) for number in range(len(copies))]
    for place, copy in zip(subset_order(ids), copies, strict=True):
        yield copy._replace(id=ids[place])


def tag(recipe: Recipe, attributes: tuple[Attribute, ...], split: Split, language: str) -> Iterator[TaggedSentence]:
    """Sentences whose nouns are tagged with their values of some attributes."""

    def draw_item(draw: random.Random, _number: int) -> Sentence:
        return draw_sentence(draw, draw.sample([kind for wanted in range(3) for kind in _kinds(recipe, split, wanted)], 3))

    for number, sentence in enumerate(_draw_items(recipe.task, recipe.num_train, split, draw_item, _nouns)):
        words = say(sentence, language)
        tags = ("O" if word.noun is None else _tag(word.noun, attributes) for word in words)
        yield TaggedSentence(str(number), tuple(word.form for word in words), tuple(tags))


def tag_labels(attributes: tuple[Attribute, ...]) -> tuple[str, ...]:
    return ("O", *(f"B-{'_'.join(values)}" for values in itertools.product(*(VALUE_NAMES[attribute] for attribute in attributes))))


def ask(recipe: Recipe, split: Split, language: str) -> Iterator[Question]:
    """Sentences with three nouns of which one has the sought value; the question is the language's question word."""

    def draw_item(draw: random.Random, _number: int) -> Sentence:
        return draw_sentence(draw, _one_sought(recipe, split, draw))

    for number, sentence in enumerate(_draw_items(recipe.task, recipe.num_train, split, draw_item, _nouns)):
        words = say(sentence, language)
        [position] = [i for i, word in enumerate(words) if word.noun and _is_sought(word.noun.kind, recipe.attribute)]
        answer = Answer(words[position].form, len(join([*words[:position], words[position]._replace(form="")])))
        yield Question(str(number), lexicon(language).question, join(words), (answer,))


def choose(recipe: Recipe, split: Split, language: str) -> Iterator[Choice]:
    """Three options of two nouns of a kind, one of which has the sought value; the prompt is the language's question word."""

    def draw_item(draw: random.Random, _number: int) -> tuple[tuple[Noun, ...], ...]:
        kinds = _one_sought(recipe, split, draw)
        return tuple(tuple(Noun(kind, number) for number in draw.sample(range(NOUNS_PER_KIND), 2)) for kind in kinds)

    def nouns(options: tuple[tuple[Noun, ...], ...]) -> tuple[Noun, ...]:
        return tuple(noun for option in options for noun in option)

    words = lexicon(language)
    for number, options in enumerate(_draw_items(recipe.task, recipe.num_train, split, draw_item, nouns)):
        [label] = [i for i, option in enumerate(options) if _is_sought(option[0].kind, recipe.attribute)]
        texts = tuple(" ".join(words.nouns[noun] for noun in option) for option in options)
        yield Choice(str(number), words.question, texts, label)


def retrieve(task: str, split: Split, language: str) -> Iterator[Passage]:
    """Sentences with nouns of three kinds, each a query in `language` and a candidate in the source language.

    XTREME's Tatoeba asks the other way round. Here that way a few candidates are nearest to all queries, and far languages drop to chance.
    """

    def draw_item(draw: random.Random, _number: int) -> Sentence:
        return draw_sentence(draw, draw.sample(range(NUM_KINDS), 3))

    for number, sentence in enumerate(_draw_items(task, 0, split, draw_item, _nouns)):
        yield Passage(str(number), join(say(sentence, language)), "query", (str(number),))
        yield Passage(str(number), join(say(sentence, SOURCE)), "candidate", ())


def _draw_items(
    task: str, num_train: int, split: Split, draw_item: Callable[[random.Random, int], Item], nouns: Callable[[Item], tuple[Noun, ...]]
) -> list[Item]:
    """Distinct items; the numbers of its nouns decide to which split an item may belong."""
    draw = random.Random(f"{task} {split}")
    wanted = {"train": num_train, "dev": NUM_DEV, "test": NUM_TEST}[split]
    items: dict[Item, None] = {}
    while len(items) < wanted:
        item = draw_item(draw, len(items))
        if sum(noun.number for noun in nouns(item)) % NOUNS_PER_KIND in _REMAINDERS[split]:
            items[item] = None
    return list(items)


@functools.cache
def _kinds(recipe: Recipe, split: Split, wanted: int) -> tuple[int, ...]:
    """The kinds with a value, as far as the split covers them."""
    every = kinds_with(recipe.attribute, wanted)
    num_covered = recipe.kinds_per_value if split == "train" else len(every)
    return tuple(random.Random(f"{recipe.task} kinds {wanted}").sample(every, num_covered))


def _one_sought(recipe: Recipe, split: Split, draw: random.Random) -> list[int]:
    others = [kind for wanted in range(3) if wanted != SOUGHT for kind in _kinds(recipe, split, wanted)]
    kinds = [draw.choice(_kinds(recipe, split, SOUGHT)), *draw.sample(others, NUM_OPTIONS - 1)]
    draw.shuffle(kinds)
    return kinds


def _is_sought(kind: int, attribute: Attribute) -> bool:
    return value_name(kind, attribute) == VALUE_NAMES[attribute][SOUGHT]


def _nouns(sentence: Sentence) -> tuple[Noun, ...]:
    return sentence.subject + sentence.object + sentence.oblique


def _tag(noun: Noun, attributes: tuple[Attribute, ...]) -> str:
    return f"B-{'_'.join(value_name(noun.kind, attribute) for attribute in attributes)}"
