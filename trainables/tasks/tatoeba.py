"""Tatoeba: find the translation of each of up to 1,000 English sentences (Artetxe and Schwenk 2019; CC BY 2.0 FR).

As in XTREME, the queries are English and the candidates are in the other language. XTREME's own copy (`de-en.en`) sorts the
English side, which hides the pairs: only LASER's files, parallel by line, are read. XTREME has 36 of the languages, XTREME-R five more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries, Example, Passage
from trainables.formats import parallel_lines
from trainables.task import FileSource, HubSource, Task

CODES = {
    "af": "afr", "ar": "ara", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa", "et": "est", "eu": "eus", "fa": "pes",
    "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn", "jv": "jav", "ka": "kat",
    "kk": "kaz", "ko": "kor", "ml": "mal", "mr": "mar", "nl": "nld", "pt": "por", "ru": "rus", "sw": "swh", "ta": "tam", "te": "tel",
    "th": "tha", "tl": "tgl", "tr": "tur", "ur": "urd", "vi": "vie", "zh": "cmn",
}  # fmt: skip
MORE_CODES = {"az": "aze", "lt": "lit", "pl": "pol", "ro": "ron", "uk": "ukr"}


def read_row(row: Mapping[str, Any], _language: str, number: int) -> list[Example]:
    return make_pair(str(number), row["target_sentence"].strip(), row["source_sentence"].strip())


def read_mteb_row(row: Mapping[str, Any], _language: str, number: int) -> list[Example]:
    return make_pair(str(number), row["sentence2"].strip(), row["sentence1"].strip())


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for number, (english, foreign) in enumerate(parallel_lines(paths)):
        yield from make_pair(str(number), english, foreign)


def make_pair(example_id: str, english: str, foreign: str) -> list[Example]:
    return [Passage(example_id, english, "query", (example_id,)), Passage(example_id, foreign, "candidate", ())]


TASK = Task(
    version=1,
    kind="retrieval",
    languages=(*CODES, *MORE_CODES),
    metrics=("accuracy",),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="tatoeba.{language}",
        codes=CODES,
        splits={"test": "validation"},
        read=read_row,
        languages=tuple(CODES),
    ),
    more_hubs=(
        HubSource(
            path="mteb/tatoeba-bitext-mining",
            revision="69e8f12da6e31d59addadda9a9c8a2e601a0e282",
            config="{language}-eng",
            codes=MORE_CODES,
            splits={"test": "test"},
            read=read_mteb_row,
            languages=tuple(MORE_CODES),
        ),
    ),
    files=(
        FileSource(
            paths={"test": ("tatoeba/v1/tatoeba.{language}-eng.eng", "tatoeba/v1/tatoeba.{language}-eng.{language}")},
            codes=CODES | MORE_CODES,
            read=read_files,
        ),
    ),
)
