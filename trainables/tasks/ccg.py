"""CCG supertagging: the lexical category of each word of the Wall Street Journal (Hockenmaier and Steedman 2007).

CCGbank is under a licence of the Linguistic Data Consortium (LDC2005T13); you must have it. Sections 02 to 21 train, 00 is dev, 23 is
test. The categories are in the data, so the label set is read from there and is a part of every source. Two layouts below `ccg/`:

- jiant's files (nyu-mll/jiant, ccg.py): `ccg.train`, `ccg.dev` and `ccg.test`, a sentence a line: its words, a tab, its tags; and
  `tags_to_id.json`, which numbers the tags: 1,363 there, all that any of the three files has;
- the release as it is, one AUTO file an article. The labels are the categories of all three splits.

jiant's files are published nowhere, so it is not known whether both layouts give the same words.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainables.examples import Entries, Sentence
from trainables.formats import of_kind, read_json, text_lines, tsv_rows
from trainables.places import reading
from trainables.task import FileSource, Split, Task

_LEAF = re.compile(r"\(<L (\S+) \S+ \S+ (\S+) \S+>\)")
"""Category, the treebank's tag and CCGbank's, the word, the category with its indices."""


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    number = 0
    for path in paths:
        for row in tsv_rows(path, ("text", "tags")):
            yield Sentence(str(number), tuple(row["text"].split()), tuple(row["tags"].split()))
            number += 1


def read_tags_to_id(paths: Sequence[Path]) -> tuple[str, ...]:
    """The tags in the order of their numbers, which must be 0, 1, 2, ...; jiant reads them from integers and from strings alike."""
    (path,) = paths
    found = of_kind(read_json(path), dict, str(path))
    numbered = {tag: _number(value, f"{path}: {tag!r}") for tag, value in found.items()}
    tags = tuple(sorted(numbered, key=lambda tag: numbered[tag]))
    for place, tag in enumerate(tags):
        if numbered[tag] != place:
            raise ValueError(f"{path}: expected the numbers 0 to {len(tags) - 1}, each once, found {numbered[tag]} for {tag!r}")
    return tags


def _number(value: object, where: str) -> int:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else of_kind(value, int, where)


def read_auto_files(paths: Sequence[Path], _language: str) -> Iterator[Sentence]:
    """Each derivation is a line, under a line that names it: `ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1`."""
    for path in paths:
        lines = text_lines(path)
        for number, (header, derivation) in enumerate(zip(lines[::2], [*lines[1::2], ""], strict=False)):
            where = f"{path}:{2 * number + 1}"
            if not header.startswith("ID="):
                raise ValueError(f"{where}: expected ID=<name>, found {header[:40]!r}")
            leaves = _LEAF.findall(derivation)
            if not leaves or len(leaves) != derivation.count("(<L"):
                raise ValueError(f"{path}:{2 * number + 2}: expected a derivation with leaves of five fields, found {derivation[:40]!r}")
            reading(path, 2 * number + 1)
            yield Sentence(header.split()[0].removeprefix("ID="), tuple(word for _, word in leaves), tuple(tag for tag, _ in leaves))


def read_auto_labels(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(sorted({tag for sentence in read_auto_files(paths, "en") for tag in sentence.tags or ()}))


def _articles(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"ccg/ccgbank_1_1/data/AUTO/{section:02}/wsj_*.auto" for section in range(first, last + 1))


AUTO: dict[Split, tuple[str, ...]] = {"train": _articles(2, 21), "dev": _articles(0, 0), "test": _articles(23, 23)}

TASK = Task(
    version=1,
    kind="tagging",
    languages=("en",),
    metrics=("accuracy",),
    files=(
        FileSource(
            paths={"train": ("ccg/ccg.train",), "dev": ("ccg/ccg.dev",), "test": ("ccg/ccg.test",)},
            read=read_files,
            label_paths=("ccg/tags_to_id.json",),
            read_labels=read_tags_to_id,
        ),
        FileSource(
            paths=AUTO,
            read=read_auto_files,
            label_paths=AUTO["train"] + AUTO["dev"] + AUTO["test"],
            read_labels=read_auto_labels,
        ),
    ),
)
