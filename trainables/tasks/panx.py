"""PAN-X (WikiANN): names of persons, places and organisations in Wikipedia sentences (Pan et al. 2017; no licence; text CC BY-SA 3.0)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Sentence
from trainables.formats import tagged_sentences
from trainables.task import FileSource, HubSource, Split, Task

LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
"""In the order of the hub's integers."""

LANGUAGES = (
    "af", "ar", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "jv", "ka", "kk",
    "ko", "ml", "mr", "ms", "my", "nl", "pt", "ru", "sw", "ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh",
)  # fmt: skip


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Sentence:
    return Sentence(str(number), tuple(word.strip() for word in row["tokens"]), tuple(LABELS[tag] for tag in row["ner_tags"]))


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    return tagged_sentences(paths, prefixed=True)


def read_xtreme_files(paths: Sequence[Path], _language: str) -> Entries:
    """XTREME's files lack the prefixes, and the tags of the test split."""
    return tagged_sentences(paths)


SPLITS: tuple[Split, ...] = ("train", "dev", "test")

TASK = Task(
    version=1,
    kind="tagging",
    languages=LANGUAGES,
    labels=LABELS,
    metrics=("span_f1",),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="PAN-X.{language}",
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=(
        FileSource(paths={split: (f"panx/{{language}}/{split}",) for split in SPLITS}, read=read_files),
        FileSource(paths={split: (f"panx/{split}-{{language}}.tsv",) for split in SPLITS}, read=read_xtreme_files),
    ),
)
