"""Plain text of your own for masked-language modelling: `text/<language>.txt`, a passage a line (no paper; the licence is your text's)."""

from collections.abc import Sequence
from pathlib import Path

from trainables.examples import Dropped, Entries, Line
from trainables.formats import text_lines
from trainables.task import FileSource, Task

LANGUAGES = (
    "af", "ar", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "jv", "ka", "kk",
    "ko", "ml", "mr", "ms", "my", "nl", "pt", "ru", "sw", "ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh",
)  # fmt: skip


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for number, line in enumerate(text_lines(path)):
            yield Line(str(number), line.strip(), None) if line.strip() else Dropped(str(number), "blank line")


TASK = Task(
    version=1,
    kind="mlm",
    languages=LANGUAGES,
    metrics=("accuracy",),
    files=(FileSource(paths={"train": ("text/{language}.txt",)}, read=read_files),),
)
