"""Code-switching by dictionary: some words of an example in other languages, each example a function of itself and the seed alone."""

import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from trainables.dictionaries import Dictionary
from trainables.examples import Answer, Choice, Example, Question, Sentence, Text
from trainables.seeds import derive_seed
from trainables.specs import CodeSwitch

_RUN = re.compile(r"\S+")


class Switched(NamedTuple):
    """An example with some words replaced."""

    example: Example
    num_words: int
    num_replaced: int


class Replacement(NamedTuple):
    """Characters `start` to `end` of a text become `word`."""

    start: int
    end: int
    word: str


def switch_words(example: Example, spec: CodeSwitch, dictionaries: Mapping[str, Dictionary]) -> Switched:
    """The example with words in the languages of `dictionaries`, one by language; labels, tags and answers stay with their words."""
    counts = _Counts()

    def switch(field: str, text: str, fixed: Sequence[int] = ()) -> list[Replacement]:
        draw = random.Random(derive_seed("code_switch", spec.seed, example.id, field))
        words = word_spans(text)
        found = _replacements(draw, [(start, end, text[start:end]) for start, end in words], spec, dictionaries)
        # a word that an answer ends in stays, or the answer would be no part of the text any more
        found = [each for each in found if not any(each.start < place < each.end for place in fixed)]
        counts.add(len(words), len(found))
        return found

    match example:
        case Text(text=text, pair=pair):
            switched: Example = example._replace(
                text=replaced(text, switch("text", text)), pair=None if pair is None else replaced(pair, switch("pair", pair))
            )
        case Choice(prompt=prompt, options=options):
            switched = example._replace(
                prompt=replaced(prompt, switch("prompt", prompt)),
                options=tuple(replaced(option, switch(f"option {number}", option)) for number, option in enumerate(options)),
            )
        case Question(question=question, context=context, answers=answers):
            ends = [place for answer in answers for place in (answer.start, answer.start + len(answer.text))]
            changes = switch("context", context, ends)
            new = replaced(context, changes)
            moved = tuple(_moved(answer, changes, new) for answer in answers)
            switched = example._replace(question=replaced(question, switch("question", question)), context=new, answers=moved)
        case Sentence(words=words):
            switched = example._replace(words=_switched_words(example, words, spec, dictionaries, counts))
        case _:
            raise AssertionError(f"{type(example).__name__} is no example that a study code-switches")
    return Switched(switched, counts.num_words, counts.num_replaced)


class _Counts:
    def __init__(self) -> None:
        self.num_words = self.num_replaced = 0

    def add(self, num_words: int, num_replaced: int) -> None:
        self.num_words += num_words
        self.num_replaced += num_replaced


def word_spans(text: str) -> list[tuple[int, int]]:
    """First character and end of each word: what stands between white space, without punctuation and symbols at its ends."""
    spans = []
    for run in _RUN.finditer(text):
        start, end = run.span()
        while start < end and _is_mark(text[start]):
            start += 1
        while start < end and _is_mark(text[end - 1]):
            end -= 1
        if start < end:
            spans.append((start, end))
    return spans


def replaced(text: str, changes: Sequence[Replacement]) -> str:
    """The text with the replacements, which are in order and do not overlap."""
    parts, place = [], 0
    for start, end, word in changes:
        parts += [text[place:start], word]
        place = end
    return "".join([*parts, text[place:]])


def _moved(answer: Answer, changes: Sequence[Replacement], context: str) -> Answer:
    """An answer where it is in `context`, the text after the changes, none of which crosses an end of it."""
    end = answer.start + len(answer.text)

    def at(place: int) -> int:
        return place + sum(len(word) - (stop - start) for start, stop, word in changes if stop <= place)

    return Answer(context[at(answer.start) : at(end)], at(answer.start))


def _switched_words(
    example: Sentence, words: Sequence[str], spec: CodeSwitch, dictionaries: Mapping[str, Dictionary], counts: _Counts
) -> tuple[str, ...]:
    """A tagged sentence's words: one for each, so that translations of several words are passed over."""
    draw = random.Random(derive_seed("code_switch", spec.seed, example.id, "words"))
    places = [(place, place + 1, word) for place, word in enumerate(words)]
    changes = _replacements(draw, places, spec, dictionaries, fits=lambda translation: len(translation.split()) == 1)
    counts.add(len(words), len(changes))
    by_place = {change.start: change.word for change in changes}
    return tuple(by_place.get(place, word) for place, word in enumerate(words))


def _replacements(
    draw: random.Random,
    words: Sequence[tuple[int, int, str]],
    spec: CodeSwitch,
    dictionaries: Mapping[str, Dictionary],
    fits: Callable[[str], bool] = bool,
) -> list[Replacement]:
    """The replacements of some words, each with its place; every word draws the same numbers whatever becomes of the others."""
    languages = sorted(dictionaries)
    of_text = draw.choice(languages)
    found = []
    for start, end, word in words:
        is_chosen, language_draw, translation_draw = draw.random() < spec.share, draw.random(), draw.random()
        known = {
            language: [each for each in dictionaries[language].get(word.lower(), ()) if fits(each)]
            for language in (languages if spec.drawn_per == "word" else [of_text])
        }
        having = [language for language, translations in known.items() if translations]
        if is_chosen and having:
            translations = known[having[int(language_draw * len(having))]]
            found.append(Replacement(start, end, _cased(word, translations[int(translation_draw * len(translations))])))
    return found


def _cased(word: str, translation: str) -> str:
    """The translation with a capital where the word has one: dictionaries are in lower case."""
    return translation[:1].upper() + translation[1:] if word[:1].isupper() else translation


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
