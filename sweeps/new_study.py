"""A first study file, with a comment on whatever somebody may want to change."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sweeps.study import StudyError
from sweeps.study_schema import SCHEMA_FILE
from trainables.catalogue import did_you_mean
from trainables.task import TASKS

POCKET = Path(__file__).parents[1] / "trainables" / "pocket" / "encoder"


class Start(NamedTuple):
    """What a first study begins with, for one kind of encoder."""

    model: str
    """As YAML."""
    intermediates: tuple[str, ...]
    targets: tuple[str, ...]
    settings: str
    """Of trainings, search and resources, as YAML to be formatted."""


_REAL = """\
# What is left out has the defaults of jiant: batches of 32, 3 epochs, length 256, learning rate 1e-5.
target_training:
  max_length: 128
  precision: {precision}        # bfloat16 on a GPU that has it
search:
  space: learning_rate       # a file in search_spaces/
  trials: 4                  # points tried for each pair
  replicates: 3              # seeds of each point: without several there is no interval
resources:
  gpus_per_worker: {gpus}         # 0: on CPUs; auto: several small stages share a GPU
  # workers: 4               # GPUs that share one training
"""
_POCKET_SETTINGS = """\
source_language: qaa
intermediate_training: {{learning_rate: 5e-4, max_length: 64, num_evals: 1}}
target_training: {{max_length: 64, num_evals: 3}}
search: {{space: pocket, trials: 2, replicates: 3}}
"""
_GLUE_LIKE = ("mnli", "squad2", "commonsenseqa")
_XTREME_LIKE = ("xnli", "panx", "udpos", "xquad")
STARTS = {
    "xlm-roberta-base": Start("{family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}", _GLUE_LIKE, _XTREME_LIKE, _REAL),
    "xlm-roberta-large": Start("{family: xlm_roberta, hub: FacebookAI/xlm-roberta-large}", _GLUE_LIKE, _XTREME_LIKE, _REAL),
    "mbert": Start("{family: bert, hub: google-bert/bert-base-multilingual-cased}", _GLUE_LIKE, _XTREME_LIKE, _REAL),
    "pocket": Start(
        f"{{family: xlm_roberta, folder: {POCKET}}}",
        ("pocket_rank_class", "pocket_colour_class"),
        ("pocket_rank_choice", "pocket_retrieval"),
        _POCKET_SETTINGS,
    ),
}
"""By what the first question is answered with; `pocket` is the small encoder of the generated languages, which needs no network."""


def new_study(name: str, model: str, intermediates: Sequence[str], targets: Sequence[str], num_gpus: int) -> str:
    """The text of a study; a StudyError names an answer that is wrong."""
    if model not in STARTS:
        raise StudyError(f"--model {model!r}: not one of those that a first study begins with{did_you_mean(model, list(STARTS))}")
    for option, tasks in (("--intermediates", intermediates), ("--targets", targets)):
        for task in tasks:
            try:
                TASKS.check(task)
            except ValueError as error:
                raise StudyError(f"{option}: {error}") from None
    start = STARTS[model]
    precision = "bfloat16" if num_gpus else "float32"
    settings = start.settings.format(gpus=1 if num_gpus else 0, precision=precision)
    return f"""\
# yaml-language-server: $schema={SCHEMA_FILE}
# Every field: docs/study.md, or `polystilts schema`.
name: {name}
models:
  {model}: {start.model}
# Tasks to train on first, in the source language; the baseline without any, `none`, is always there.
intermediates: [{", ".join(intermediates)}]
# What transfer is measured on: trained in the source language, scored in every language.
targets: [{", ".join(targets)}]
{settings}"""


def write_new_study(path: Path, text: str) -> None:
    """A StudyError if there is such a file."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StudyError(f"{path}: {os.strerror(error.errno or 0)}; give another name") from None
