"""TyDiQA-GoldP: questions asked in nine languages, and the paragraph that answers them (Clark et al. 2020; Apache-2.0).

There is no published test set: as in XTREME, the dev set is what is scored, and its English part is all there is to select on. A
study that keeps them apart selects on a slice of the English training set. XTREME's copy of the dev set has no answers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Entries
from trainables.squad_format import squad_questions, stripped_hub_question
from trainables.task import FileSource, HubSource, Task

NAMES = {
    "ar": "arabic", "bn": "bengali", "en": "english", "fi": "finnish", "id": "indonesian", "ko": "korean", "ru": "russian",
    "sw": "swahili", "te": "telugu",
}  # fmt: skip
"""As the ids begin: `finnish-7633091408814529542-0`."""


def is_asked_in(question_id: str, language: str) -> bool:
    return question_id.partition("-")[0] == NAMES[language]


def is_in(row: Mapping[str, Any], language: str) -> bool:
    return is_asked_in(row["id"], language)


def read_files(paths: Sequence[Path], language: str) -> Entries:
    """The published training file holds all languages, and each dev file one."""
    return (question for question in squad_questions(paths, language) if is_asked_in(question.id, language))


def read_xtreme_training(paths: Sequence[Path], language: str) -> Entries:
    """XTREME cuts the ids of the training set down to a last number that many share: ids count the questions instead."""
    return (question._replace(id=str(number)) for number, question in enumerate(squad_questions(paths, language)))


PUBLISHED_DEV = ("tydiqa/tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-{language}.json",)
XTREME_DEV = ("tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.{language}.dev.json",)

TASK = Task(
    version=1,
    kind="span_qa",
    languages=tuple(NAMES),
    metrics=("f1", "exact_match"),
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="tydiqa",
        belongs=is_in,
        splits={"train": "train", "dev": "validation", "test": "validation"},
        read=stripped_hub_question,
    ),
    files=(
        FileSource(
            paths={"train": ("tydiqa/tydiqa-goldp-v1.1-train.json",), "dev": PUBLISHED_DEV, "test": PUBLISHED_DEV},
            codes=NAMES,
            read=read_files,
        ),
        FileSource(paths={"train": ("tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.{language}.train.json",)}, read=read_xtreme_training),
        FileSource(paths={"dev": XTREME_DEV, "test": XTREME_DEV}, read=squad_questions),
    ),
)
