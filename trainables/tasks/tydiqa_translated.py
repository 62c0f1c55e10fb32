"""TyDiQA-GoldP's English training set in its eight other languages, by machine (Hu et al. 2020; Apache-2.0).

As `squad1_translated`: lost answers are dropped and counted, paths are those of XTREME's storage, and the files were not at hand. Ids count
the questions, since XTREME cut those of TyDiQA elsewhere.
"""

from collections.abc import Sequence
from pathlib import Path

from trainables.examples import Entries
from trainables.squad_format import translated_squad_questions
from trainables.task import FileSource, Task


def read_files(paths: Sequence[Path], language: str) -> Entries:
    return (entry._replace(id=str(number)) for number, entry in enumerate(translated_squad_questions(paths, language)))


TASK = Task(
    version=1,
    kind="span_qa",
    languages=("ar", "bn", "fi", "id", "ko", "ru", "sw", "te"),
    metrics=("f1", "exact_match"),
    translated_from="tydiqa",
    files=(
        FileSource(
            paths={"train": ("xtreme_translations/TyDiQA-GoldP/translate-train/tydiqa.translate.train.en-{language}.json",)},
            read=read_files,
        ),
    ),
)
