"""PAN-X (WikiANN): names of persons, places and organisations in Wikipedia sentences (Pan et al. 2017; no licence; text CC BY-SA 3.0).

XTREME has 40 of the languages, which its copy on the hub holds; XTREME-R has eight more.
"""

import functools
from collections.abc import Mapping
from typing import Any

from trainables.examples import Sentence
from trainables.formats import tagged_sentences
from trainables.task import FileSource, HubSource, Split, Task

LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
"""In the order of the hub's integers."""

XTREME_LANGUAGES = (
    "af", "ar", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "jv", "ka", "kk",
    "ko", "ml", "mr", "ms", "my", "nl", "pt", "ru", "sw", "ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh",
)  # fmt: skip


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Sentence:
    return Sentence(str(number), tuple(word.strip() for word in row["tokens"]), tuple(LABELS[tag] for tag in row["ner_tags"]))


SPLITS: tuple[Split, ...] = ("train", "dev", "test")

TASK = Task(
    version=1,
    kind="tagging",
    languages=tuple(sorted((*XTREME_LANGUAGES, "az", "gu", "lt", "pa", "pl", "qu", "ro", "uk"))),
    labels=LABELS,
    metrics=("span_f1",),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="PAN-X.{language}",
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
        languages=XTREME_LANGUAGES,
    ),
    files=(
        FileSource(
            paths={split: (f"panx/{{language}}/{split}",) for split in SPLITS}, read=functools.partial(tagged_sentences, prefixed=True)
        ),
        # XTREME's files lack the prefixes, and the tags of the test split
        FileSource(paths={split: (f"panx/{split}-{{language}}.tsv",) for split in SPLITS}, read=tagged_sentences),
    ),
)
