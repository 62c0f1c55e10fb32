"""XTREME's part-of-speech tagging: Universal Dependencies 2.5, all treebanks of a language (Nivre et al. 2020; a licence a treebank).

Most treebanks are CC BY-SA, some non-commercial. Kazakh, Tagalog, Thai and Yoruba have a test split alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Sentence
from trainables.formats import tagged_sentences
from trainables.task import FileSource, HubSource, Split, Task

LABELS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X",
)  # fmt: skip
"""In the order of the hub's integers."""

HUB_NAMES = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ko": "Korean", "mr": "Marathi",
    "nl": "Dutch", "pt": "Portuguese", "ru": "Russian", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish",
    "ur": "Urdu", "vi": "Vietnamese", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Sentence:
    """XTREME's files have neither the spaces nor the zero-width non-joiners that stand inside words of the treebanks."""
    words = tuple(word.replace("\u200c", "").replace(" ", "") for word in row["tokens"])
    return Sentence(str(number), words, tuple(LABELS[tag] for tag in row["pos_tags"]))


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    return tagged_sentences(paths)


SPLITS: tuple[Split, ...] = ("train", "dev", "test")

TASK = Task(
    version=1,
    kind="tagging",
    languages=tuple(HUB_NAMES),
    labels=LABELS,
    metrics=("pos_f1", "accuracy"),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="udpos.{language}",
        codes=HUB_NAMES,
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=tuple(
        FileSource(paths={split: (f"{folder}/{split}-{{language}}.tsv",) for split in SPLITS}, read=read_files)
        for folder in ("udpos", "udpos_xtreme")
    ),
)
