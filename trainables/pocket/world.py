"""The pocket world: a small family of generated languages whose concepts carry hidden attributes.

Codes are of ISO 639-3's private range (qaa to qtz). A language has its own sounds, words, function words and favourite word
order, and keeps a share of the source language's words, its cognates. Every noun belongs to one of 27 *kinds*. Kinds show in
running text (nouns of one kind occur together); their attributes do not: those are planted, and tasks alone reveal them.
"""

import functools
import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

Attribute = Literal["flavour", "rank", "colour", "size"]
Tense = Literal["past", "present"]

NUM_KINDS = 27
NUM_VALUES = 3
NOUNS_PER_KIND = 5
NUM_VERBS = 12
SCRAMBLED_SHARE = 0.7
"""Share of sentences in free word order: without it a model could go by position, which no other language shares."""

_DIRECTIONS: dict[Attribute, tuple[int, int, int]] = {
    "flavour": (1, 0, 0),
    "rank": (0, 0, 1),
    "colour": (1, 1, 1),
    "size": (0, 1, 2),
}
"""A kind is a point of the 3 x 3 x 3 cube, an attribute a direction in it (over the integers modulo 3): no attribute tells
anything about another, nor flavour and size together about rank or colour."""


VALUE_NAMES: dict[Attribute, tuple[str, str, str]] = {
    "flavour": ("sweet", "sour", "salty"),
    "rank": ("low", "middle", "high"),
    "colour": ("red", "green", "blue"),
    "size": ("tiny", "handy", "huge"),
}


class Noun(NamedTuple):
    """A concept: the `number`th noun of its kind."""

    kind: int
    number: int


class Sentence(NamedTuple):
    """A meaning, to be said in any of the languages."""

    subject: tuple[Noun, ...]
    object: tuple[Noun, ...]
    oblique: tuple[Noun, ...]
    verb: int
    tense: Tense
    order: str
    """The order of the parts S, V, O and X, in every language; empty for each language's own."""


class Word(NamedTuple):
    """A word of a sentence in some language; `noun` is None for verbs and function words."""

    form: str
    noun: Noun | None


class Language(NamedTuple):
    """How one language sounds, how it orders a sentence, and how much it shares with the source language."""

    code: str
    consonants: str
    vowels: str
    cognate_share: float
    order: str


class Lexicon(NamedTuple):
    """The words of one language."""

    nouns: dict[Noun, str]
    verbs: tuple[str, ...]
    tenses: dict[Tense, str]
    """Suffixes of the verb."""
    object_marker: str
    oblique_marker: str
    question: str


_LANGUAGES = (
    Language("qaa", "ptkmnslr", "aeiou", 1.0, "SVOX"),
    Language("qab", "bdgmnslr", "aeiou", 0.6, "SVOX"),
    Language("qac", "ptkbdgvz", "aei", 0.5, "SOVX"),
    Language("qba", "hjqwxvzf", "aou", 0.35, "VSOX"),
    Language("qbb", "cfhwyzlr", "aeuy", 0.3, "SOVX"),
)
LANGUAGES = tuple(language.code for language in _LANGUAGES)
"""From the source language to the farthest one."""
SOURCE = LANGUAGES[0]
NOUNS = tuple(Noun(kind, number) for kind in range(NUM_KINDS) for number in range(NOUNS_PER_KIND))


def value(kind: int, attribute: Attribute) -> int:
    """The value, 0 to 2, that all nouns of a kind have for an attribute."""
    digits = (kind % 3, kind // 3 % 3, kind // 9)
    return sum(digit * step for digit, step in zip(digits, _DIRECTIONS[attribute], strict=True)) % NUM_VALUES


def value_name(kind: int, attribute: Attribute) -> str:
    return VALUE_NAMES[attribute][value(kind, attribute)]


def kinds_with(attribute: Attribute, wanted: int) -> tuple[int, ...]:
    """The nine kinds whose `attribute` has the value `wanted`."""
    return tuple(kind for kind in range(NUM_KINDS) if value(kind, attribute) == wanted)


def draw_sentence(draw: random.Random, kinds: Sequence[int]) -> Sentence:
    """A sentence with a noun of each of `kinds` (three, or a multiple): the first third is the subject, then object and oblique."""
    nouns = tuple(Noun(kind, draw.randrange(NOUNS_PER_KIND)) for kind in kinds)
    width = len(nouns) // 3
    order = "".join(draw.sample("SVOX", 4)) if draw.random() < SCRAMBLED_SHARE else ""
    tense: Tense = "past" if draw.random() < 0.5 else "present"
    return Sentence(nouns[:width], nouns[width : 2 * width], nouns[2 * width :], draw.randrange(NUM_VERBS), tense, order)


def say(sentence: Sentence, language: str, switch: random.Random | None = None, switched_share: float = 0.0) -> list[Word]:
    """The sentence in `language`.

    With `switch`, a share of the nouns and verb stems comes from a language drawn at random, while word order, markers and
    tenses stay, as in the speech of bilinguals (Myers-Scotton's matrix language).
    """
    own = lexicon(language)

    def source_of_stem() -> Lexicon:
        return lexicon(switch.choice(LANGUAGES)) if switch and switch.random() < switched_share else own

    def nouns(phrase: tuple[Noun, ...]) -> list[Word]:
        return [Word(source_of_stem().nouns[noun], noun) for noun in phrase]

    parts = {
        "S": nouns(sentence.subject),
        "O": [Word(own.object_marker, None), *nouns(sentence.object)],
        "X": [Word(own.oblique_marker, None), *nouns(sentence.oblique)],
        "V": [Word(source_of_stem().verbs[sentence.verb] + own.tenses[sentence.tense], None)],
    }
    order = sentence.order or next(one.order for one in _LANGUAGES if one.code == language)
    return [word for part in order for word in parts[part]]


def join(words: Sequence[Word]) -> str:
    return " ".join(word.form for word in words)


def lexicon(language: str) -> Lexicon:
    """The words of a language; a ValueError if it is not of this world."""
    if language not in LANGUAGES:
        raise ValueError(f"unknown pocket language {language!r}; known: {', '.join(LANGUAGES)}")
    return _lexicons()[language]


@functools.cache
def _lexicons() -> dict[str, Lexicon]:
    """All at once, because a form that one language uses is taken for the others, cognates apart."""
    taken: set[str] = set()
    lexicons: dict[str, Lexicon] = {}
    for language in _LANGUAGES:
        lexicons[language.code] = _make_lexicon(language, lexicons.get(SOURCE), taken)
    return lexicons


def _make_lexicon(language: Language, source: Lexicon | None, taken: set[str]) -> Lexicon:
    draw = random.Random(f"pocket lexicon {language.code}")

    def new(*patterns: str) -> str:
        while (form := _draw_form(draw, language, draw.choice(patterns))) in taken:
            pass
        taken.add(form)
        return form

    def stem(cognate: str | None) -> str:
        form, is_cognate = new("CVCVC", "CVCCV", "CVCVCV", "VCCVC"), draw.random() < language.cognate_share
        return cognate if cognate is not None and is_cognate else form

    return Lexicon(
        nouns={noun: stem(source and source.nouns[noun]) for noun in NOUNS},
        verbs=tuple(stem(source and source.verbs[verb]) for verb in range(NUM_VERBS)),
        tenses={"past": new("VC", "CVC"), "present": new("VC", "CVC")},
        object_marker=new("CV", "VC"),
        oblique_marker=new("CV", "VC"),
        question=new("CV", "VC"),
    )


def _draw_form(draw: random.Random, language: Language, pattern: str) -> str:
    return "".join(draw.choice(language.consonants if sound == "C" else language.vowels) for sound in pattern)
