"""NTREX-128 as translation pairs: each line beside its English source (Federmann et al. 2022; CC BY-SA 4.0).

For masked-language modelling over both at once, the translation language modelling of Conneau and Lample (2019).
"""

from collections.abc import Sequence
from pathlib import Path

from trainables.examples import Entries, Line
from trainables.formats import parallel_lines
from trainables.task import FileSource, Task
from trainables.tasks.ntrex128 import CODES


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for number, (text, english) in enumerate(parallel_lines(paths)):
        yield Line(str(number), text, english)


TASK = Task(
    version=1,
    kind="mlm",
    languages=tuple(CODES),
    source_language="de",
    metrics=("accuracy",),
    files=(
        FileSource(
            paths={"train": ("ntrex128/newstest2019-ref.{language}.txt", "ntrex128/newstest2019-src.eng.txt")},
            codes=CODES,
            read=read_files,
        ),
    ),
)
