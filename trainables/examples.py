"""The records that tasks yield, one type per kind of task."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Text(NamedTuple):
    """A text, or a pair of texts, to classify."""

    id: str
    text: str
    pair: str | None
    label: str | None


class Sentence(NamedTuple):
    """A sentence to tag, one tag a word."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None


class Answer(NamedTuple):
    """A gold answer: `context[start : start + len(text)] == text`, in characters."""

    text: str
    start: int


class Question(NamedTuple):
    """A question about a context; `answers` is empty if the context does not answer it."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]


class Choice(NamedTuple):
    """A prompt with several continuations; `label` is the index of the right one."""

    id: str
    prompt: str
    options: tuple[str, ...]
    label: int | None


class Passage(NamedTuple):
    """One text of a retrieval task.

    `side` is "query" or "candidate"; `relevant` names, for a query, the ids of the candidates that match it.
    """

    id: str
    text: str
    side: str
    relevant: tuple[str, ...]


class Line(NamedTuple):
    """Running text for masked-language modelling; `pair` is a second segment, such as a translation."""

    id: str
    text: str
    pair: str | None


Example = Text | Sentence | Question | Choice | Passage | Line


class Dropped(NamedTuple):
    """An entry that the data set's own rules leave out, such as SNLI's pairs without a majority label."""

    id: str
    reason: str


Entries = Iterable[Example | Dropped]


def texts_of(example: Example) -> Iterator[str]:
    """All text of an example, of any kind of task."""
    match example:
        case Text(text=text, pair=pair) | Line(text=text, pair=pair):
            yield text
            if pair is not None:
                yield pair
        case Sentence(words=words):
            yield " ".join(words)
        case Question(question=question, context=context):
            yield question
            yield context
        case Choice(prompt=prompt, options=options):
            yield prompt
            yield from options
        case Passage(text=text):
            yield text
