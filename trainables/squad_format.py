"""Readers of SQuAD's JSON, versions 1.1 and 2.0, and of the hub's copies of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Answer, Dropped, Question
from trainables.formats import member, of_kind, read_json
from trainables.places import reading

_WITHHELD = [{"answer_start": 0, "text": ""}]
"""What XTREME's scripts write in place of the answers of a test set."""


def squad_questions(paths: Sequence[Path], _language: str) -> Iterator[Question]:
    """The questions of SQuAD files, version 1.1 or 2.0, in order.

    In version 2.0 `is_impossible` must agree with the answers; in version 1.1 a question without an answer is unlabelled.
    """
    for path in paths:
        for place, context, question in _squad_entries(path):
            yield _squad_question(place, context, question)


def translated_squad_questions(paths: Sequence[Path], _language: str) -> Iterator[Question | Dropped]:
    """As `squad_questions`, of a translation in which not every answer was found again: those questions are dropped."""
    for path in paths:
        for place, context, question in _squad_entries(path):
            try:
                found = _squad_question(place, context, question)
            except LostAnswerError:
                found = None
            yield found if found is not None and found.answers else Dropped(member(question, "id", str, place), _LOST_ANSWER)


_LOST_ANSWER = "its answer is not where the translation says"


def _squad_question(place: str, context: str, question: Mapping[str, Any]) -> Question:
    given = member(question, "answers", list, place)
    answers = [] if given == _WITHHELD else [of_kind(answer, dict, place) for answer in given]
    if "is_impossible" in question and member(question, "is_impossible", bool, place) != (not answers):
        raise ValueError(f"{place}: expected answers where is_impossible is false and none where it is true, found {len(answers)}")
    return answered_question(
        member(question, "id", str, place),
        member(question, "question", str, place),
        context,
        [Answer(member(answer, "text", str, place), member(answer, "answer_start", int, place)) for answer in answers],
        place,
    )


def _squad_entries(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each question as JSON, with its path in the file and its context."""
    for place, context, paragraph in squad_paragraphs(path):
        for q, question in enumerate(member(paragraph, "qas", list, place)):
            where = f"{place}.qas[{q}]"
            reading(where)
            yield where, context, of_kind(question, dict, where)


def squad_paragraphs(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each paragraph of a SQuAD file as JSON, with its path in the file and its context."""
    for a, article in enumerate(member(read_json(path), "data", list, str(path))):
        place = f"{path}: data[{a}]"
        for p, paragraph in enumerate(member(article, "paragraphs", list, place)):
            place = f"{path}: data[{a}].paragraphs[{p}]"
            yield place, member(paragraph, "context", str, place), paragraph


class LostAnswerError(ValueError):
    """An answer is not where its start says."""


def answered_question(
    example_id: str, question: str, context: str, answers: Sequence[Answer], place: str, *, num_lost: int = 0
) -> Question:
    """A question with white space stripped from its texts, and the starts of its answers moved accordingly.

    Where a copy was stripped and its starts were not moved, up to `num_lost` characters are missing before the context, or before
    the answer: each start is moved by the least that finds its answer.
    """
    indent = len(context) - len(context.lstrip())
    context = context.strip()
    shifts = sorted(range(-num_lost, num_lost + 1), key=abs)
    moved = []
    for text, start in answers:
        start += len(text) - len(text.lstrip()) - indent
        text = text.strip()
        starts = [start + shift for shift in shifts if start + shift >= 0 and context.startswith(text, start + shift)]
        if not text or not starts:
            raise LostAnswerError(
                f"{place}: expected the answer {text!r} at character {start}, found {context[max(start, 0) :][: len(text)]!r}"
            )
        moved.append(Answer(text, starts[0]))
    return Question(example_id, question.strip(), context, tuple(moved))


def hub_question(row: Mapping[str, Any], _language: str, _number: int, *, num_lost: int = 0) -> Question:
    """A row of the hub's SQuAD schema: `answers` holds a list of texts and a list of starts."""
    answers = [Answer(text, start) for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)]
    return answered_question(row["id"], row["question"], row["context"], answers, f"hub row {row['id']}", num_lost=num_lost)


def stripped_hub_question(row: Mapping[str, Any], language: str, number: int) -> Question:
    """A row of the copy of a SQuAD-like data set in google/xtreme, whose script stripped the texts and kept the starts."""
    return hub_question(row, language, number, num_lost=8)
