"""Makes bilingual dictionaries out of parallel text, in MUSE's format, where no published ones are at hand.

    python -m trainables.word_pairs --data DIR --out FOLDER

A word and its translation are each other's best by Dice's coefficient (Dice 1945) over the lines of NTREX-128: 2 c / (a + b) for words in
a and b lines of which c are the same, as Smadja et al. (1996) took it for translations. Languages written without spaces are left out.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

from trainables.code_switch import word_spans
from trainables.data import check_folder, load_examples
from trainables.examples import Line
from trainables.origins import available_languages, data_source
from trainables.specs import DataSpec
from trainables.task import TASKS

TASK = "ntrex128_pairs"
SOURCE = "en"
WITHOUT_SPACES = ("ja", "my", "th", "zh")
MIN_LINES = 2
"""That a pair is in together: once is chance."""
MIN_DICE = 0.4


class WordPair(NamedTuple):
    """A word, its translation, and how much they go together: 1 if neither is in a line without the other."""

    word: str
    translation: str
    dice: float


def word_pairs(lines: Iterable[tuple[str, str]]) -> list[WordPair]:
    """Of lines and their translations: the words that are each other's best, sorted by word."""
    num_with: Counter[str] = Counter()
    num_with_translation: Counter[str] = Counter()
    num_with_both: Counter[tuple[str, str]] = Counter()
    for line, translation in lines:
        words, others = _words(line), _words(translation)
        num_with.update(words)
        num_with_translation.update(others)
        num_with_both.update((word, other) for word in words for other in others)
    scored = [
        WordPair(word, other, 2 * both / (num_with[word] + num_with_translation[other]))
        for (word, other), both in num_with_both.items()
        if both >= MIN_LINES
    ]
    # the order breaks ties the same way everywhere
    scored = sorted((pair for pair in scored if pair.dice >= MIN_DICE), key=lambda pair: (-pair.dice, pair.word, pair.translation))
    best: dict[str, str] = {}
    best_back: dict[str, str] = {}
    for pair in scored:
        best.setdefault(pair.word, pair.translation)
        best_back.setdefault(pair.translation, pair.word)
    mutual = (pair for pair in scored if best[pair.word] == pair.translation and best_back[pair.translation] == pair.word)
    return sorted(mutual)


def write_dictionaries(folder: Path, out: Path) -> Iterator[tuple[Path, int]]:
    """Writes `en-<language>.txt` for each language of the parallel text; yields each file and how many pairs are in it."""
    languages = available_languages(TASK, "train", folder)
    if not languages:
        raise ValueError(f"--data {folder}: it holds no file of {TASK}; docs/data.md says where they are from")
    out.mkdir(parents=True, exist_ok=True)
    for language in languages:
        if language not in WITHOUT_SPACES:
            pairs = word_pairs(_parallel(folder, language))
            path = out / f"{SOURCE}-{language}.txt"
            path.write_text("".join(f"{pair.word}\t{pair.translation}\n" for pair in pairs), encoding="utf-8")
            yield path, len(pairs)


def _parallel(folder: Path, language: str) -> Iterator[tuple[str, str]]:
    """Each English line and its translation."""
    data = DataSpec(
        task=TASK,
        task_version=TASKS.load(TASK).version,
        split="train",
        language=language,
        num_examples=None,
        source=data_source(TASK, "train", language, folder),
    )
    for line in cast(list[Line], load_examples(data, folder).examples):
        assert line.pair is not None, "every line of this task has its English one"
        yield line.pair, line.text


def _words(text: str) -> set[str]:
    """A line's words, in lower case, without those that are numbers: they need no dictionary."""
    words = {text[start:end].lower() for start, end in word_spans(text)}
    return {word for word in words if not any(character.isdigit() for character in word)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    given = arguments.parse_args()
    try:
        check_folder(given.data)
        for path, number in write_dictionaries(given.data, given.out):
            print(f"{path}: {number} pairs")
    except (OSError, ValueError) as error:
        arguments.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
