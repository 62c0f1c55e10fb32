"""Bilingual dictionaries in the format of MUSE (Conneau et al. 2018): a word and its translation a line, once for each translation."""

import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path

from trainables.formats import text_lines

Dictionary = Mapping[str, tuple[str, ...]]
"""By lower-case word: its translations, in the order of the file."""


def read_dictionary(path: Path, *, is_published: bool = False) -> Dictionary:
    """The dictionary in a file, whose words are separated by a tab, or by a space where neither holds one.

    Some of the published files have lines with a word alone, which MUSE's own reader passes over.
    """
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(text_lines(path), 1):
        words = [word.strip() for word in (line.split("\t") if "\t" in line else line.split())]
        if is_published and len(words) < 2:
            continue
        if len(words) != 2 or not all(words):
            raise ValueError(f"{path}:{number}: expected a word and its translation, separated by a tab or a space, found {line[:60]!r}")
        found.setdefault(words[0].lower(), {})[words[1]] = None
    if not found:
        raise ValueError(f"{path}: expected a word and its translation a line, found none")
    return {word: tuple(translations) for word, translations in found.items()}


def fetch_dictionary(url: str, cache: Path) -> Path:
    """The file that is published at `url`, fetched once for each cache."""
    path = cache / "dictionaries" / url.rpartition("/")[2]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                aside.write_bytes(answer.read())
        except OSError as error:
            raise ValueError(f"{url}: {error}; fetch it yourself and name its folder as dictionary") from None
        aside.rename(path)
    return path
