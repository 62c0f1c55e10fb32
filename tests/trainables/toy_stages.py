"""A data folder of toy PAWS-X and plain text files, and jobs on them, for tests that run whole stages."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.trainables.toy_training import WORDS, toy_init, toy_spec
from trainables.origins import data_source
from trainables.specs import DataSpec, EvaluateSpec, Job, MixtureTask, RetrievalProtocol, Spec, StageEncoder
from trainables.task import TASKS


def write_toy_data(folder: Path) -> Path:
    """Pairs that share a word or do not, in two languages; lines of text; sentences and their translations."""
    random = np.random.default_rng(0)
    sentences = [" ".join(random.choice(WORDS, random.integers(4, 9))) for _ in range(120)]
    for language in ("en", "de"):
        pairs = [(text, text if number % 2 else sentences[number - 1], number % 2) for number, text in enumerate(sentences)]
        rows = ["id\tsentence1\tsentence2\tlabel", *(f"{number}\t{a}\t{b}\t{label}" for number, (a, b, label) in enumerate(pairs))]
        for name in ("train", "dev_2k", "test_2k"):
            _write(folder / "pawsx/x-final" / language / f"{name}.tsv", rows)
    _write(folder / "text/en.txt", sentences)
    _write(folder / "tatoeba/v1/tatoeba.deu-eng.eng", sentences)
    _write(folder / "tatoeba/v1/tatoeba.deu-eng.deu", sentences)
    return folder


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def data_spec(folder: Path, task: str, split: str, language: str = "en") -> DataSpec:
    return DataSpec(
        task=task,
        task_version=TASKS.load(task).version,
        split=split,
        language=language,
        num_examples=None,
        source=data_source(task, split, language, folder),
    )


def init_job(folder: Path, **changes: Any) -> Job:
    tokenizer_text = (data_spec(folder, "text", "train"), data_spec(folder, "pawsx", "train"))
    return make_job(folder, toy_init("xlm_roberta", tokenizer_text=tokenizer_text), **changes)


def train_job(folder: Path, parent: str, job: dict[str, Any] | None = None, **changes: Any) -> Job:
    mixture = (
        MixtureTask(train=data_spec(folder, "pawsx", "train"), dev=(data_spec(folder, "pawsx", "dev[:50]"),), weight=1.0, share=None),
        MixtureTask(train=data_spec(folder, "text", "train"), dev=(), weight=1.0, share=None),
    )
    spec = toy_spec(**({"family": "xlm_roberta", "mixture": mixture, "encoder": StageEncoder(stage=parent)} | changes))
    return make_job(folder, spec, **(job or {}))


def evaluate_job(folder: Path, parent: str, task: str = "pawsx", job: dict[str, Any] | None = None, **changes: Any) -> Job:
    fields = {
        "kind": "evaluate",
        "code_version": 1,
        "versions": (),
        "family": "xlm_roberta",
        "encoder": StageEncoder(stage=parent),
        "task": task,
        "head": None if task == "tatoeba" else task,
        "data": tuple(data_spec(folder, task, "test", language) for language in (("de",) if task == "tatoeba" else ("en", "de"))),
        "max_length": 40,
        "precision": "float32",
        "threshold_data": (),
        "retrieval": RetrievalProtocol(layer=1, pooling="mean", similarity="cosine", margin="none", neighbours=4)
        if task == "tatoeba"
        else None,
    }
    return make_job(folder, EvaluateSpec.model_validate(fields | changes), **(job or {}))


def make_job(folder: Path, spec: Spec, **changes: Any) -> Job:
    fields = {
        "spec": spec,
        "store": str(folder / "store"),
        "cache": str(folder / "cache"),
        "data": str(folder),
        "encoder_folder": None,
        "num_threads": 1,
        "num_workers": 1,
        "use_gpu": False,
        "stop_below": (),
        "checkpoint_every_s": 60.0,
    }
    return Job.model_validate(fields | changes)
