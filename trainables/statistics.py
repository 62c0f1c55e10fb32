"""What examples hold, counted: how many there are, the histogram of their labels, how long their texts are.

    python -m trainables.statistics --data DIR [TASK ...]

prints a line for each split and language whose files lie below DIR.
"""

import argparse
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from trainables.catalogue import CatalogueError, listed
from trainables.data import check_folder, load_examples
from trainables.examples import Choice, Example, Line, Passage, Question, Sentence, Text
from trainables.origins import available_languages, data_source
from trainables.specs import DataSpec
from trainables.task import TASKS, Split

_SPLITS: tuple[Split, ...] = get_args(Split)


class Lengths(NamedTuple):
    """Of the texts of one field; `total` is exact, a check on every text."""

    total: int
    mean: float
    """To two decimals."""
    median: float
    longest: int


class Field(NamedTuple):
    """Lengths in characters, and in words between white space: where a script has none (Chinese, Japanese, Thai) that says little."""

    num_texts: int
    characters: Lengths
    words: Lengths


class Statistics(NamedTuple):
    """What some examples of a task hold."""

    num_examples: int
    labels: dict[str, int]
    """Labels, tags, numbers of answers, places of the right option or sides, with their numbers of examples (tags: of words)."""
    fields: dict[str, Field]


def texts_of(example: Example) -> Iterator[tuple[str, str]]:
    """The texts of an example, each with the name of its field; options and answers have one field for all."""
    match example:
        case Text(text=text, pair=pair) | Line(text=text, pair=pair):
            yield "text", text
            if pair is not None:
                yield "pair", pair
        case Sentence(words=words):
            yield "sentence", " ".join(words)
        case Question(question=question, context=context, answers=answers):
            yield from (("question", question), ("context", context), *(("answer", answer.text) for answer in answers))
        case Choice(prompt=prompt, options=options):
            yield from (("prompt", prompt), *(("option", option) for option in options))
        case Passage(text=text, side=side):
            yield side, text


def statistics_of(examples: Sequence[Example]) -> Statistics:
    """Counts and lengths of some examples."""
    labels = Counter(label for example in examples for label in _labels_of(example))
    texts: dict[str, list[str]] = {}
    for example in examples:
        for field, text in texts_of(example):
            texts.setdefault(field, []).append(text)
    fields = {
        field: Field(len(found), _lengths([len(text) for text in found]), _lengths([len(text.split()) for text in found]))
        for field, found in texts.items()
    }
    return Statistics(len(examples), dict(sorted(labels.items())), fields)


def real_splits(folder: str | Path, names: Sequence[str]) -> Iterator[tuple[str, Split, str]]:
    """Task, split and language of everything whose files lie below `folder`; a ValueError if there is nothing."""
    check_folder(folder)
    found = False
    for name in names:
        for split in _SPLITS if TASKS.load(name).files else ():
            for language in available_languages(name, split, folder):
                found = True
                yield name, split, language
    if not found:
        raise ValueError(f"--data {folder}: no files of {listed(names)}; docs/data.md says where they lie below it")


def read_split(name: str, split: Split, language: str, folder: str | Path) -> list[Example]:
    """The examples of a whole split, labelled or not."""
    source = data_source(name, split, language, folder)
    spec = DataSpec(task=name, task_version=TASKS.load(name).version, split=split, language=language, num_examples=None, source=source)
    return load_examples(spec, folder, labelled=False).examples


def _labels_of(example: Example) -> Iterator[str]:
    match example:
        case Text(label=label):
            yield f"label {label}"
        case Sentence(tags=tags):
            yield from (f"tag {tag}" for tag in tags or ("None",))
        case Question(answers=answers):
            yield f"{len(answers)} answers"
        case Choice(options=options, label=index):
            yield f"label {index} of {len(options)}"
        case Passage(side=side):
            yield side


def _lengths(lengths: Sequence[int]) -> Lengths:
    return Lengths(sum(lengths), round(statistics.fmean(lengths), 2), statistics.median(lengths), max(lengths))


def _described(found: Statistics) -> str:
    """One line: number of examples, labels, and of each field mean, median and longest."""
    labels = ", ".join(f"{label} {number:,}" for label, number in found.labels.items())
    fields = "; ".join(
        f"{name}: {field.characters.mean:.0f}/{field.characters.median:.0f}/{field.characters.longest:,} characters, "
        f"{field.words.mean:.0f}/{field.words.median:.0f}/{field.words.longest:,} words"
        for name, field in found.fields.items()
    )
    return f"{found.num_examples:,} examples ({labels or 'no labels'}); mean/median/longest: {fields}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("tasks", nargs="*", metavar="TASK")
    given = arguments.parse_args()
    try:
        for name in given.tasks:
            TASKS.check(name)
        for name, split, language in real_splits(given.data, given.tasks or TASKS.names):
            print(f"{name}/{split}/{language}: {_described(statistics_of(read_split(name, split, language, given.data)))}")
    except (ValueError, CatalogueError) as error:
        arguments.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
