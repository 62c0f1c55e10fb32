"""Mewsli-X: find the entity that a mention in the news means, among a million descriptions in 50 languages (Ruder et al. 2021;
CC BY-SA 3.0).

Mentions and entities become text as XTREME-R's `utils_mewslix.py` makes it: the sentence of a mention, in which it stands between
braces, behind the mention itself. The released files differ from the paper's, so that their scores cannot be compared.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Passage
from trainables.formats import jsonl_rows, member
from trainables.task import FileSource, Task

_BRACES = re.compile(r"\{(.*?)\}")


def read_files(paths: Sequence[Path], language: str) -> Entries:
    """The mentions of one language, an article a line; the entities of all, one a line."""
    mentions, entities = paths
    for where, row in jsonl_rows(mentions):
        context = member(row, "context", dict, where)
        if member(context, "language", str, where) == language:
            for number, mention in enumerate(member(row, "mentions", list, where)):
                yield _mention(context, mention, f"{where}: mentions[{number}]")
    for where, row in jsonl_rows(entities):
        description = member(row, "description", str, where)
        sentences = [description[first:end] for first, end in _spans(row, len(description), where)]
        yield Passage(member(row, "entity_id", str, where), _one_line(" ".join(sentences)), "candidate", ())


def _mention(context: Mapping[str, Any], mention: object, where: str) -> Passage | Dropped:
    example_id, span = member(mention, "example_id", str, where), member(mention, "mention_span", dict, where)
    text, name = member(context, "text", str, where), member(span, "text", str, where)
    start, end = member(span, "start", int, where), member(span, "end", int, where)
    if text[max(start, 0) : end] != name:
        raise ValueError(f"{where}: expected the mention {name!r} at character {start}, found {text[max(start, 0) : end]!r}")
    around = next(((first, last) for first, last in _spans(context, len(text), where) if first <= start and end <= last), None)
    if around is None:
        return Dropped(example_id, "the mention is in no one sentence")
    left, right = (_BRACES.sub(r"(\1)", part) for part in (text[around[0] : start], text[end : around[1]]))
    query = _one_line(f"{name}: {left} {{ {name} }} {right}")
    return Passage(example_id, query, "query", (member(mention, "entity_id", str, where).strip(),))


def _spans(holder: Mapping[str, Any], length: int, where: str) -> Iterator[tuple[int, int]]:
    for number, span in enumerate(member(holder, "sentence_spans", list, where)):
        place = f"{where}: sentence_spans[{number}]"
        first, end = member(span, "start", int, place), member(span, "end", int, place)
        if not 0 <= first < end <= length:
            raise ValueError(f"{place}: expected characters up to {length}, found {first} to {end}")
        yield first, end


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()).replace("  ", " ").strip()


def _paths(split: str) -> tuple[str, ...]:
    return (f"mewsli-x/wikinews_mentions-{split}.jsonl", "mewsli-x/candidate_set_entities.jsonl")


TASK = Task(
    version=1,
    kind="retrieval",
    languages=("ar", "de", "en", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk"),
    metrics=("map_at_20",),
    files=(FileSource(paths={"dev": _paths("dev"), "test": _paths("test")}, read=read_files),),
)
