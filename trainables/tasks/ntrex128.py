"""NTREX-128: the news sentences of WMT 2019's test set and their translations, as text (Federmann et al. 2022; CC BY-SA 4.0).

English and those languages of XTREME that the corpus has (no Javanese); for masked-language modelling, one file a language.
"""

from collections.abc import Sequence
from pathlib import Path

from trainables.examples import Entries, Line
from trainables.formats import parallel_lines
from trainables.task import FileSource, Task

CODES = {
    "af": "afr", "ar": "arb", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa", "et": "est", "eu": "eus", "fa": "fas",
    "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn", "ka": "kat", "kk": "kaz",
    "ko": "kor", "ml": "mal", "mr": "mar", "ms": "msa", "my": "mya", "nl": "nld", "pt": "por", "ru": "rus", "sw": "swa", "ta": "tam",
    "te": "tel", "th": "tha", "tl": "fil", "tr": "tur", "ur": "urd", "vi": "vie", "yo": "yor", "zh": "zho-CN",
}  # fmt: skip


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for number, (text,) in enumerate(parallel_lines(paths)):
        yield Line(str(number), text, None)


TASK = Task(
    version=1,
    kind="mlm",
    languages=("en", *CODES),
    metrics=("accuracy",),
    files=(
        FileSource(
            paths={"train": ("ntrex128/newstest2019-{language}.txt",)},
            codes={"en": "src.eng", **{language: f"ref.{code}" for language, code in CODES.items()}},
            read=read_files,
        ),
    ),
)
