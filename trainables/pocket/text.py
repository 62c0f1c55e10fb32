"""Running text of the pocket world: what its encoder is pretrained on.

Most sentences keep to nouns of one kind, so that any noun tells about all others: this is what teaches a small encoder the kinds
within minutes. Nothing in the text depends on the attributes.
"""

import random
from collections.abc import Iterator

from trainables.pocket.world import LANGUAGES, NUM_KINDS, Sentence, draw_sentence, join, lexicon, say

TOPICAL_SHARE = 0.85
SHORT_SHARE = 0.15
"""Share of sentences with three nouns, as in the tasks; the others have six."""
QUESTION_SHARE = 0.3
SWITCHED_SHARE = 0.8


def monolingual(language: str, split: str, num_lines: int) -> Iterator[str]:
    draw = random.Random(f"pocket text {language} {split}")
    for sentence in _sentences(draw, num_lines):
        yield _opening(draw, language) + join(say(sentence, language))


def code_switched(language: str, split: str, num_lines: int) -> Iterator[str]:
    """Sentences of `language` with most nouns and verb stems from languages drawn at random."""
    draw = random.Random(f"pocket switched text {language} {split}")
    for sentence in _sentences(draw, num_lines):
        yield _opening(draw, language) + join(say(sentence, language, draw, SWITCHED_SHARE))


def parallel(language: str, split: str, num_lines: int) -> Iterator[tuple[str, str]]:
    """Sentences of `language`, each with its translation into another language drawn at random."""
    draw = random.Random(f"pocket parallel text {language} {split}")
    others = [other for other in LANGUAGES if other != language]
    for sentence in _sentences(draw, num_lines):
        yield join(say(sentence, language)), join(say(sentence, draw.choice(others)))


def _sentences(draw: random.Random, num_sentences: int) -> Iterator[Sentence]:
    for _ in range(num_sentences):
        num_nouns = 3 if draw.random() < SHORT_SHARE else 6
        is_topical = draw.random() < TOPICAL_SHARE
        yield draw_sentence(draw, [draw.randrange(NUM_KINDS)] * num_nouns if is_topical else draw.sample(range(NUM_KINDS), num_nouns))


def _opening(draw: random.Random, language: str) -> str:
    return lexicon(language).question + " " if draw.random() < QUESTION_SHARE else ""
