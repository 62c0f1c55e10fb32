"""Readers of the file formats that several data sets share; a file that breaks its format is a one-line error that says where."""

import csv
import functools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from trainables.examples import Dropped, Sentence, Text
from trainables.places import reading

NLI_LABELS = ("entailment", "neutral", "contradiction")
"""In the order of the hub's integers, which MNLI, SNLI and XNLI share."""


_KINDS = {str: "a string", int: "an integer", bool: "true or false", list: "a list", dict: "an object"}


_Value = TypeVar("_Value")


def text_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, without their ends (LF or CRLF).

    Only LF separates lines: the texts themselves hold U+2028, U+0085 and the other characters at which `str.splitlines` cuts.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: expected UTF-8, found the byte 0x{data[error.start]:02x}") from error
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def parallel_lines(paths: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """The lines of files that are parallel by line: together, stripped, none of them blank."""
    files = [text_lines(path) for path in paths]
    for path, lines in zip(paths, files, strict=True):
        if len(lines) != len(files[0]):
            raise ValueError(f"{path}: {len(lines)} lines, expected {len(files[0])}, as in {paths[0]}")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                raise ValueError(f"{path}:{number}: expected a sentence, found a blank line")
    for number, together in enumerate(zip(*files, strict=True), 1):
        reading(paths[0], number)
        yield tuple(line.strip() for line in together)


def tsv_rows(
    path: Path, columns: Sequence[str], *, header: bool = False, quoted: bool = False, num_optional: int = 0
) -> Iterator[Mapping[str, str]]:
    """The rows of a tab-separated file, one a line, by column name.

    With a `header`, it must name all `columns`, and may name others. Without one, `columns` are all there are, of which the last
    `num_optional` may be missing. `quoted` undoes what Python's csv writer does to a field that holds a double quote; without it
    a double quote is a character like any other.
    """
    lines = text_lines(path)
    names, first = (lines[0].split("\t"), 1) if header and lines else (list(columns), 0)
    missing = [column for column in columns if column not in names]
    if missing or (header and not lines):
        raise ValueError(f"{path}:1: expected a header with {', '.join(columns)}; {', '.join(missing or columns)} is missing")
    for number, line in enumerate(lines[first:], first + 1):
        fields = line.split("\t")
        if not len(names) - num_optional <= len(fields) <= len(names):
            raise ValueError(f"{path}:{number}: expected {len(names)} columns ({', '.join(names)}), found {len(fields)}")
        if quoted:
            fields = [_unquoted(field, f"{path}:{number}") for field in fields]
        reading(path, number)
        yield dict(zip(names, fields, strict=False))


def _unquoted(field: str, where: str) -> str:
    if not field.startswith('"'):
        return field
    inner = field[1:-1].replace('""', "")
    if len(field) == 1 or not field.endswith('"') or '"' in inner:
        raise ValueError(f"{where}: expected a closing double quote and doubled ones inside, found {field[:40]!r}")
    return field[1:-1].replace('""', '"')


def csv_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The rows of a comma-separated file with a header that names all `columns`, each with `file:line`, where the row ends.

    Fields are quoted as Python's csv writer does it, and may hold line ends.
    """
    reader = csv.DictReader(line + "\n" for line in text_lines(path))
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"{path}:1: expected a header with {', '.join(columns)}; {', '.join(missing)} is missing")
    for row in reader:
        where = f"{path}:{reader.line_num}"
        if None in row or None in row.values():
            raise ValueError(f"{where}: expected {len(reader.fieldnames or ())} columns, found {'more' if None in row else 'fewer'}")
        reading(where)
        yield where, row


def jsonl_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a file with one JSON object a line, each with `file:line`, for `member` and for errors."""
    for number, line in enumerate(text_lines(path), 1):
        where = f"{path}:{number}"
        try:
            value = _json_value(line, where)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where}: expected JSON, but {error.msg} at character {error.pos + 1}") from error
        reading(where)
        yield where, of_kind(value, dict, where)


def read_json(path: Path) -> Any:
    """The JSON value that a file holds."""
    try:
        return _json_value("\n".join(text_lines(path)), str(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: expected JSON, but {error.msg}") from error


def _json_value(text: str, where: str) -> Any:
    """A JSONDecodeError for what is no JSON; a ValueError that begins with `where` for what is, and cannot be meant."""
    try:
        return json.loads(
            text, object_pairs_hook=functools.partial(_each_once, where=where), parse_int=functools.partial(_integer, where=where)
        )
    except RecursionError:
        raise ValueError(f"{where}: expected JSON, found brackets within brackets without end") from None


def _each_once(pairs: Sequence[tuple[str, Any]], *, where: str) -> dict[str, Any]:
    """An object whose keys differ: of a key that is given twice, Python would keep the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        count = Counter(key for key, _ in pairs)
        raise ValueError(f"{where}: the key {next(key for key in count if count[key] > 1)!r} is given twice")
    return found


_MAX_DIGITS = 100


def _integer(digits: str, *, where: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"{where}: expected an integer of at most {_MAX_DIGITS} digits, found {digits[:40]}... ({len(digits)} characters)")
    return int(digits)


def member(value: object, key: str, kind: type[_Value], where: str) -> _Value:
    """`value[key]`, which must be there and of this JSON type, in an object; `where` says where `value` is."""
    value = of_kind(value, dict, where)
    if key not in value:
        raise ValueError(f"{where}: expected the key {key!r}, found {', '.join(map(repr, value)) or 'none'}")
    return of_kind(value[key], kind, f"{where}: {key}")


def of_kind(value: object, kind: type[_Value], where: str) -> _Value:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{where}: expected {_KINDS[kind]}, found {shown(value)}")
    return value


def shown(value: object) -> str:
    """The beginning of a JSON value, for a message."""
    try:
        return json.dumps(value, ensure_ascii=False)[:40]
    except RecursionError:
        return "brackets within brackets without end"


def nli_pair(example_id: str, premise: str, hypothesis: str, label: str | int | None) -> Text | Dropped:
    """A pair of natural language inference, by any of the ways to write its label: a name, the hub's integer, or none.

    SNLI and MultiNLI leave out a pair on which the annotators do not agree: `-` in their files, -1 on the hub. XNLI's
    translation of the training set spells one label "contradictory".
    """
    if label in ("-", -1):
        return Dropped(example_id, "no label that most annotators chose")
    name = NLI_LABELS[label] if isinstance(label, int) else label
    return Text(example_id, premise.strip(), hypothesis.strip(), "contradiction" if name == "contradictory" else name)


def nli_jsonl_pairs(paths: Sequence[Path], premise: str, hypothesis: str, label: str) -> Iterator[Text | Dropped]:
    """The pairs of files with one JSON object a line, whose keys are given; ids count all of them from 0."""
    rows = (row for path in paths for row in jsonl_rows(path))
    for number, (where, row) in enumerate(rows):
        yield nli_pair(str(number), *(member(row, key, str, where) for key in (premise, hypothesis, label)))


def tagged_sentences(paths: Sequence[Path], _language: str, *, prefixed: bool = False) -> Iterator[Sentence]:
    """Sentences of files with one `word TAB tag` a line and blank lines between sentences; ids count them from 0.

    A sentence of words alone is unlabelled. Nothing is quoted. `prefixed`: each word is `language:word`, as in the PAN-X
    release. Blank lines may be repeated.
    """
    number = 0
    for path in paths:
        rows: list[list[str]] = []
        for line_number, line in enumerate([*text_lines(path), ""], 1):
            if line:
                rows.append(_word_and_tag(line, prefixed, f"{path}:{line_number}"))
                if len(rows[-1]) != len(rows[0]):
                    raise ValueError(f"{path}:{line_number}: expected a sentence with a tag at every word or at none")
            elif rows:
                reading(path, line_number - len(rows))
                tags = tuple(row[1] for row in rows) if len(rows[0]) == 2 else None
                yield Sentence(str(number), tuple(row[0] for row in rows), tags)
                number += 1
                rows = []


def _word_and_tag(line: str, prefixed: bool, where: str) -> list[str]:
    word, *tags = line.split("\t")
    if prefixed:
        prefix, colon, word = word.partition(":")
        if not prefix or not colon:
            raise ValueError(f"{where}: expected language:word, found {line[:40]!r}")
    word = word.strip()
    if not word or len(tags) > 1 or "" in tags:
        raise ValueError(f"{where}: expected a word, perhaps a tab and a tag, found {line[:40]!r}")
    return [word, *tags]


_NUM_COLUMNS = 10


def conllu_sentences(paths: Sequence[Path], _language: str) -> Iterator[Sentence | Dropped]:
    """Sentences of CoNLL-U files with their universal part-of-speech tags; ids count them from 0.

    The words are the syntactic ones: multiword tokens (`1-2`) and empty nodes (`8.1`) are not words. A treebank whose text may not
    be published has `_` for its words; by XTREME's rule such a sentence is left out if at most one of its words is known.
    """
    number = 0
    for path in paths:
        rows: list[list[str]] = []
        end = first_line = 0
        for line_number, line in enumerate([*text_lines(path), ""], 1):
            where = f"{path}:{line_number}"
            if line.startswith("#") and not rows:
                continue
            if line:
                first_line = first_line or line_number
                columns = line.split("\t")
                if len(columns) != _NUM_COLUMNS:
                    raise ValueError(f"{where}: expected {_NUM_COLUMNS} columns of CoNLL-U, found {len(columns)}")
                end = max(end, _last_word(columns[0], len(rows), where))
                if columns[0].isdecimal():
                    rows.append(_word_and_tag(f"{columns[1]}\t{columns[3]}", False, where))
            elif rows or end:
                if end > len(rows):
                    raise ValueError(f"{where}: expected a multiword token's word {len(rows) + 1} of {end}, found the sentence's end")
                reading(path, first_line)
                yield _conllu_sentence(str(number), rows)
                number += 1
                rows, end, first_line = [], 0, 0


def _last_word(word_id: str, num_words: int, where: str) -> int:
    """The last word that a line with this id speaks of: a word, a multiword token that begins with the next one, or an empty node."""
    match = re.fullmatch(r"(\d+)(?:([-.])(\d+))?", word_id)
    if match is not None:
        first, mark, last = int(match[1]), match[2], int(match[3] or 0)
        if (mark is None and first == num_words + 1) or (mark == "-" and first == num_words + 1 and last >= first):
            return last if mark else first
        if mark == "." and first == num_words:
            return first
    following = num_words + 1
    raise ValueError(f"{where}: expected the id {following}, {following}-n or {num_words}.n, found {word_id[:40]!r}")


def _conllu_sentence(sentence_id: str, rows: Sequence[Sequence[str]]) -> Sentence | Dropped:
    words, tags = zip(*rows, strict=True)
    if 0 < words.count("_") >= len(words) - 1:
        return Dropped(sentence_id, "its words are withheld")
    return Sentence(sentence_id, words, None if set(tags) == {"_"} else tags)
