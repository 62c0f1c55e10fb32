"""Which examples were seen before: their texts normalised and hashed, compared split by split.

    python -m trainables.overlap --data DIR > docs/overlap.md

measures every two splits whose files lie below DIR and writes the page that docs/data.md leads to.
"""

import argparse
import hashlib
import itertools
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.catalogue import CatalogueError
from trainables.data import load_examples
from trainables.examples import Example, Passage
from trainables.keys import content_key
from trainables.specs import DataSpec
from trainables.statistics import read_split, real_splits, texts_of
from trainables.task import TASKS

OVERLAP_VERSION = 2
"""Raised when the same examples become other hashes."""

WHOLE = "whole"
"""All texts of an example but its answers; beside it, texts that are shared alone: a context, a question, one side of a pair. Of a
passage there is its side alone, for a query and its candidates are no example by themselves."""

_NOT_COMPARED = ("answer", "option")
"""An answer or an option alone says nothing; options are a part of the whole example."""

TextHashes = Mapping[str, NDArray[np.uint64]]
"""By what is compared: the hashes of the examples' texts, one an example, sorted."""


def normalised(text: str) -> str:
    """NFKC, case folded, every run of white space one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def compared_texts(example: Example) -> Iterator[tuple[str, str]]:
    """What is compared of an example: the whole of it and, where it has several texts, each one."""
    texts = [(field, normalised(text)) for field, text in texts_of(example)]
    if isinstance(example, Passage):
        yield from texts
        return
    yield WHOLE, "\n".join(text for field, text in texts if field != "answer")
    parts = [(field, text) for field, text in texts if field not in _NOT_COMPARED]
    yield from parts if len(texts) > 1 else ()


def hash_texts(examples: Iterable[Example]) -> TextHashes:
    """64 bits a text: a million texts against a million others agree by chance once in twenty million such comparisons."""
    found: dict[str, list[int]] = {}
    for example in examples:
        for name, text in compared_texts(example):
            found.setdefault(name, []).append(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))
    return {name: np.sort(np.array(hashes, dtype=np.uint64)) for name, hashes in found.items()}


def every_text(seen: Iterable[TextHashes]) -> NDArray[np.uint64]:
    """The hashes of all texts, whatever they were in their examples: a query of one task is a question of another one, and a line of
    running text may be anything. Sorted, each once."""
    arrays = [array for hashes in seen for array in hashes.values()]
    return np.unique(np.concatenate(arrays)) if arrays else np.array([], dtype=np.uint64)


def num_shared(seen: NDArray[np.uint64], scored: TextHashes, name: str) -> int:
    """How many scored examples have a text, by what is compared, that is among the seen ones."""
    if not len(seen):
        return 0
    place = np.minimum(np.searchsorted(seen, scored[name]), len(seen) - 1)
    return int((seen[place] == scored[name]).sum())


def load_text_hashes(data: DataSpec, folder: str | Path | None, cache: Path) -> TextHashes | None:
    """The hashes of `data`, kept in `<cache>/texts`; None if they are not there and no `folder` is given to read the files from."""
    path = _path(data, cache)
    if not path.exists():
        if folder is None:
            return None
        keep_text_hashes(data, load_examples(data, folder, labelled=False).examples, cache)
    with np.load(path) as arrays:
        return dict(arrays)


def keep_text_hashes(data: DataSpec, examples: Iterable[Example], cache: Path) -> None:
    """Writes the hashes of the examples of `data`, if they are not there; a reader sees the whole file or none."""
    path = _path(data, cache)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, allow_pickle=False, **hash_texts(examples))
        os.replace(aside, path)
    finally:
        Path(aside).unlink(missing_ok=True)


def _path(data: DataSpec, cache: Path) -> Path:
    key = content_key("texts", {"data": data.model_dump(mode="json"), "version": OVERLAP_VERSION})
    return cache / "texts" / f"{key}.npz"


_Split = tuple[str, str]
"""Task and split."""

PAGE = """# Texts that splits share

Every two splits of the published files in a data folder, compared text by text: NFKC, case folded, white space collapsed. *Whole* is all
of an example but its answers; beside it, parts that are shared alone. A part is looked for among all texts that were seen, whatever they
are there: a query of `lareqa` is a question of `squad1`. Only what is not zero is here; training splits are not asked what of them was
seen. Where a task is read from two layouts (XTREME's files and treebanks, for `udpos`), overlaps between the layouts are what a study
that mixes them would meet. TyDiQA's dev set is its test set. Made by

    python -m trainables.overlap --data DIR > docs/overlap.md

| seen | scored | what | same language: shared of scored | in another language |
|---|---|---|---|---|
"""


def overlap_rows(folder: str | Path) -> Iterator[str]:
    """The rows of the page: each two different splits that share a text, whichever the languages."""
    hashes: dict[_Split, dict[str, TextHashes]] = {}
    for task, split, language in real_splits(folder, TASKS.names):
        hashes.setdefault((task, split), {})[language] = hash_texts(read_split(task, split, language, folder))
    texts = {split: {language: every_text([one]) for language, one in found.items()} for split, found in hashes.items()}
    all_texts = {split: every_text(found.values()) for split, found in hashes.items()}
    for seen, scored in itertools.permutations(sorted(hashes), 2):
        if scored[1] != "train":
            names = dict.fromkeys(name for each in hashes[scored].values() for name in each)
            rows = (_row(seen, scored, name, texts[seen], all_texts[seen], hashes[scored]) for name in names)
            yield from (row for row in rows if row is not None)


def _row(
    seen: _Split,
    scored: _Split,
    name: str,
    seen_texts: Mapping[str, NDArray[np.uint64]],
    all_seen: NDArray[np.uint64],
    scored_texts: Mapping[str, TextHashes],
) -> str | None:
    """None if nothing is shared."""
    same, num_elsewhere = [], 0
    for language, texts in scored_texts.items():
        num_same = num_shared(seen_texts[language], texts, name) if language in seen_texts else 0
        num_elsewhere += num_shared(all_seen, texts, name) - num_same
        if num_same:
            same.append(f"{language} {num_same:,} of {len(texts[name]):,}")
    cells = ("/".join(seen), "/".join(scored), name, ", ".join(same) or "-", f"{num_elsewhere:,}" if num_elsewhere else "-")
    return f"| {' | '.join(cells)} |" if same or num_elsewhere else None


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    try:
        print(PAGE + "\n".join(overlap_rows(arguments.parse_args().data)))
    except (ValueError, CatalogueError) as error:
        arguments.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
