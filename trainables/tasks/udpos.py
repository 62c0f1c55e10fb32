"""XTREME's part-of-speech tagging: Universal Dependencies 2.5, all treebanks of a language (Nivre et al. 2020; a licence a treebank).

Most treebanks are CC BY-SA, some non-commercial. Kazakh, Tagalog, Thai and Yoruba have a test split alone. XTREME-R has five more
languages and takes version 2.7. Where XTREME's files are not there, one treebank of a language is read as it is published, in
CoNLL-U: it has tags for its test split, but a score on it is not XTREME's.

Nor are the three made of the same words: XTREME's files have a multiword token (German "im") as one word; the treebanks are read,
and the hub's copy was made, by syntactic word ("in dem"); and the hub's copy keeps empty nodes, which are no words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Sentence
from trainables.formats import conllu_sentences, tagged_sentences
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


TREEBANKS = {
    "de": "UD_German-GSD/de_gsd", "en": "UD_English-EWT/en_ewt", "fi": "UD_Finnish-TDT/fi_tdt", "hi": "UD_Hindi-PUD/hi_pud",
    "ru": "UD_Russian-GSD/ru_gsd", "th": "UD_Thai-PUD/th_pud", "tr": "UD_Turkish-IMST/tr_imst", "vi": "UD_Vietnamese-VTB/vi_vtb",
    "zh": "UD_Chinese-GSD/zh_gsd",
}  # fmt: skip


def read_row(row: Mapping[str, Any], _language: str, number: int) -> Sentence:
    return Sentence(str(number), plain_words(row["tokens"]), tuple(LABELS[tag] for tag in row["pos_tags"]))


def read_treebanks(paths: Sequence[Path], language: str) -> Entries:
    for entry in conllu_sentences(paths, language):
        yield entry if isinstance(entry, Dropped) else entry._replace(words=plain_words(entry.words))


def plain_words(words: Sequence[str]) -> tuple[str, ...]:
    """XTREME's files have neither the spaces nor the zero-width non-joiners that stand inside words of the treebanks."""
    return tuple(word.replace("\u200c", "").replace(" ", "") for word in words)


SPLITS: tuple[Split, ...] = ("train", "dev", "test")

TASK = Task(
    version=1,
    kind="tagging",
    languages=tuple(sorted((*HUB_NAMES, "lt", "pl", "ro", "uk", "wo"))),
    labels=LABELS,
    metrics=("pos_f1", "accuracy"),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="udpos.{language}",
        codes=HUB_NAMES,
        splits={"train": "train", "dev": "validation", "test": "test"},
        read=read_row,
        languages=tuple(HUB_NAMES),
    ),
    files=(
        FileSource(paths={split: (f"udpos/{split}-{{language}}.tsv",) for split in SPLITS}, read=tagged_sentences),
        FileSource(paths={split: (f"udpos_xtreme/{split}-{{language}}.tsv",) for split in SPLITS}, read=tagged_sentences),
        FileSource(paths={split: (f"ud_conllu/{{language}}-ud-{split}.conllu",) for split in SPLITS}, codes=TREEBANKS, read=read_treebanks),
    ),
)
