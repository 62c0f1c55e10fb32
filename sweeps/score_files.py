"""Readers of labels and predictions in the layout of XTREME; what breaks it is a one-line error that names file and line, or id."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trainables.examples import Answer
from trainables.formats import jsonl_rows, member, of_kind, read_json, shown, text_lines

UNLABELLED = "; XTREME's own copies of the test sets have no labels"
"""Ends an error about gold labels that are none."""

_SHOWN = 60
"""Characters of a bad value."""


class TagFile(NamedTuple):
    """The sentences of a file, and the line on which each begins."""

    sentences: list[list[str]]
    first_lines: list[int]


def read_labels(path: Path, allowed: Sequence[str], hint: str = "") -> list[str]:
    """The labels of a file, one a line; `hint` ends the message about one that is not `allowed`."""
    labels = _stripped(path, f"a label ({', '.join(allowed)})")
    for number, label in enumerate(labels, 1):
        if label not in allowed:
            raise ValueError(f"{path}:{number}: expected one of {', '.join(allowed)}, found {label[:_SHOWN]!r}{hint}")
    return labels


def read_line_numbers(path: Path, hint: str = "") -> list[str]:
    """Whole numbers, one a line, as they are written: the official script compares them as text. Whether so many lines are there
    is for `check_line_numbers`."""
    numbers = _stripped(path, "a line number, counted from 0")
    for number, text in enumerate(numbers, 1):
        if re.fullmatch(r"[0-9]+", text) is None:
            raise ValueError(f"{path}:{number}: expected a line number, counted from 0, found {text[:_SHOWN]!r}{hint}")
    return numbers


def check_line_numbers(numbers: Sequence[str], path: Path) -> None:
    """There are as many candidates as queries, so that a number from the count of lines on is of none."""
    num_lines = len(numbers)
    for number, text in enumerate(numbers, 1):
        digits = text.lstrip("0")
        if len(digits) > len(str(num_lines)) or int(digits or 0) >= num_lines:
            raise ValueError(f"{path}:{number}: expected a line number from 0 to {num_lines - 1}, found {text[:_SHOWN]!r}")


def read_tags(path: Path, allowed: Sequence[str], hint: str = "") -> TagFile:
    """One tag a line. A blank line ends a sentence, so that two in a row make an empty one, as for the official script."""
    sentences: list[list[str]] = []
    first_lines: list[int] = []
    is_open = False
    for number, line in enumerate(text_lines(path), 1):
        tag = line.strip()
        if not is_open:
            sentences.append([])
            first_lines.append(number)
        is_open = bool(tag)
        if "\t" in tag:
            raise ValueError(f"{path}:{number}: expected the tag's column alone, found {tag.count(chr(9)) + 1} columns: {tag[:_SHOWN]!r}")
        if is_open and tag not in allowed:
            raise ValueError(f"{path}:{number}: expected one of {', '.join(allowed)}, found {tag[:_SHOWN]!r}{hint}")
        sentences[-1] += [tag] if is_open else []
    return TagFile(sentences, first_lines)


def read_pairs(path: Path) -> set[tuple[str, ...]]:
    """Pairs of sentence ids, `id TAB id`, each once."""
    lines: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(_stripped(path, "two ids with a tab between them"), 1):
        pair = tuple(line.split("\t"))
        if len(pair) != 2 or not all(one.strip() for one in pair):
            raise ValueError(f"{path}:{number}: expected two ids with a tab between them, found {line[:_SHOWN]!r}")
        if pair in lines:
            raise ValueError(f"{path}:{number}: the pair {pair[0]!r}, {pair[1]!r} is also on line {lines[pair]}; give it once")
        lines[pair] = number
    return set(lines)


def read_options(path: Path, hint: str = "") -> list[int]:
    """The `label` of each JSON object, one a line; an `idx` beside it must be the line's number from 0, as in XCOPA's files."""
    labels: list[int] = []
    for where, row in jsonl_rows(path):
        if "idx" in row and member(row, "idx", int, where) != len(labels):
            raise ValueError(f"{where}: idx: expected {len(labels)}, for lines are in the order of the data set, found {row['idx']}")
        labels.append(member(row, "label", int, where))
        if labels[-1] not in (0, 1):
            raise ValueError(f"{where}: label: expected 0 or 1, found {labels[-1]}{hint}")
    return labels


def read_answers(path: Path) -> dict[str, str]:
    """`{question: text}`."""
    root = _object(path)
    return {question: of_kind(answer, str, f"{path}: {question!r}") for question, answer in root.items()}


def read_questions(path: Path) -> dict[str, tuple[Answer, ...]]:
    """The answers of each question of a SQuAD file, or of the list that such a file has under `data`.

    A blank answer is one like any other, as for the official script, but where all are blank they are none.
    """
    root = read_json(path)
    articles = member(root, "data", list, str(path)) if isinstance(root, dict) else root
    answers: dict[str, tuple[Answer, ...]] = {}
    places: dict[str, str] = {}
    for place, question in _questions(articles, str(path)):
        question_id = member(question, "id", str, place)
        if question_id in answers:
            raise ValueError(f"{place}: the id {question_id!r} is given twice")
        texts = [member(answer, "text", str, where) for where, answer in _items(question, "answers", place)]
        answers[question_id], places[question_id] = tuple(Answer(text, 0) for text in texts), place
    is_labelled = any(not is_blank(found) for found in answers.values())
    for question_id, found in answers.items():
        if not found or not is_labelled:
            what, hint = "a blank one" if found else "none", "" if is_labelled else UNLABELLED
            raise ValueError(f"{places[question_id]}: expected an answer to question {question_id!r}, found {what}{hint}")
    return answers


def is_blank(answers: Sequence[Answer]) -> bool:
    """Whether no answer has a text."""
    return not any(answer.text.strip() for answer in answers)


def read_rankings(path: Path) -> dict[str, list[str]]:
    """`{query: [candidates]}`."""
    root = _object(path)
    rankings = {query: of_kind(candidates, list, f"{path}: {query!r}") for query, candidates in root.items()}
    for query, candidates in rankings.items():
        for candidate in candidates:
            if not isinstance(candidate, str):
                raise ValueError(f"{path}: {query!r}: expected a list of ids, which are strings, found {shown(candidate)}")
    return rankings


def read_relevant(path: Path) -> dict[str, list[str]]:
    """`{query: [right candidates]}`, at least one for each."""
    relevant = read_rankings(path)
    for query, candidates in relevant.items():
        if not candidates:
            raise ValueError(f"{path}: {query!r}: expected a right candidate, found none")
    return relevant


def _stripped(path: Path, expected: str) -> list[str]:
    """The lines of a file, stripped, none of them blank."""
    lines = [line.strip() for line in text_lines(path)]
    if "" in lines:
        raise ValueError(f"{path}:{lines.index('') + 1}: expected {expected}, found a blank line")
    return lines


def _questions(articles: object, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each question of a SQuAD file's articles, after its place."""
    for in_article, article in _items({"data": articles}, "data", path):
        for in_paragraph, paragraph in _items(article, "paragraphs", in_article):
            yield from _items(paragraph, "qas", in_paragraph)


def _items(parent: Mapping[str, Any], key: str, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of the list under `key`, each after its place."""
    for index, item in enumerate(member(parent, key, list, place)):
        where = f"{place}{'.' if place.endswith(']') else ': '}{key}[{index}]"
        yield where, of_kind(item, dict, where)


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or the one under its `data`."""
    root = read_json(path)
    root = root["data"] if isinstance(root, dict) and isinstance(root.get("data"), dict) else root
    if not isinstance(root, dict):
        raise ValueError(f"{path}: expected an object with an entry for each id, found {shown(root)}")
    return root
