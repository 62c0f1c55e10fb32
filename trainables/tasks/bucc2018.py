"""BUCC 2018: find the translations among all sentences of two corpora (Zweigenbaum et al. 2018; no licence but
for research).

As in XTREME, English sentences are sought for sentences of the other language, most of which have none, and the shared task's
sample and training parts are `dev` and `test`. The hub's copy holds the gold pairs alone: without the sentences that have no
translation, mining them is easier, and a score from there is not XTREME's.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Example, Passage
from trainables.formats import tsv_rows
from trainables.task import FileSource, HubSource, Task

_PARTS = ("{language}-en.%s.{language}", "{language}-en.%s.en", "{language}-en.%s.gold")


def read_row(row: Mapping[str, Any], language: str, number: int) -> list[Example]:
    """A gold pair; the hub's rows have no ids."""
    query, candidate = f"{language}-{number}", f"en-{number}"
    return [
        Passage(query, row["source_sentence"].strip(), "query", (candidate,)),
        Passage(candidate, row["target_sentence"].strip(), "candidate", ()),
    ]


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    """Sentences of either language, an id and a text a line, and the gold pairs of ids, each once: given twice, it would count twice."""
    foreign, english, gold = paths
    english_ids = {row["id"] for _, row in _numbered(english, ("id", "text"))}
    relevant: dict[str, list[str]] = {row["id"]: [] for _, row in _numbered(foreign, ("id", "text"))}
    lines: dict[tuple[str, str], int] = {}
    for number, row in _numbered(gold, ("query", "candidate")):
        if row["query"] not in relevant or row["candidate"] not in english_ids:
            raise ValueError(
                f"{gold}:{number}: expected ids of {foreign.name} and {english.name}, not {row['query']!r}, {row['candidate']!r}"
            )
        first = lines.setdefault((row["query"], row["candidate"]), number)
        if first != number:
            raise ValueError(f"{gold}:{number}: the pair {row['query']!r}, {row['candidate']!r} is also on line {first}; give it once")
        relevant[row["query"]].append(row["candidate"])
    for _, row in _numbered(foreign, ("id", "text")):
        yield Passage(row["id"], row["text"].strip(), "query", tuple(relevant[row["id"]]))
    for _, row in _numbered(english, ("id", "text")):
        yield Passage(row["id"], row["text"].strip(), "candidate", ())


def _numbered(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    return enumerate(tsv_rows(path, columns), 1)


def _layout(dev: str, test: str) -> FileSource:
    paths = {split: tuple(f"bucc2018/{part % name}" for part in _PARTS) for split, name in (("dev", dev), ("test", test))}
    return FileSource(paths={"dev": paths["dev"], "test": paths["test"]}, read=read_files)


TASK = Task(
    version=1,
    kind="retrieval",
    languages=("de", "fr", "ru", "zh"),
    is_mining=True,
    metrics=("mining_f1", "mining_precision", "mining_recall"),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="bucc18.{language}",
        splits={"dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(_layout("dev", "test"), _layout("sample", "training")),
)
