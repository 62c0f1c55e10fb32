"""Whether training without padding, in bfloat16 and with a cut vocabulary comes to the same scores as `Trainer` with padding in float32.

    python benchmarks/quality.py [--seeds N] [--cases NAME ...] [--precision P] [--data DIR] [--json FILE]

Both begin with the same encoder and train on the same examples, with the same batch size, epochs, optimizer and schedule; heads, order of
examples and dropout are drawn by each as it does. Both are scored by the same code, on held-out examples of the source language.
Prints the mean of the differences, paired by seed, with its 95% interval by Student's distribution. `--data` is the folder of published
files, which the real task needs.
"""

import argparse
import contextlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from padded_training import load_for, make_trainer, predict
from peers import TASK, Recipe, train_ours
from scipy.stats import t as student
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

import trainables.inference
from trainables.data import load_examples
from trainables.evaluate import measure
from trainables.examples import Example, texts_of
from trainables.features import Features
from trainables.head_files import HeadShape
from trainables.model import load_encoder, with_fresh_heads
from trainables.origins import find_origin
from trainables.prepare import prepare
from trainables.random_encoder import save_random_encoder
from trainables.scoring import score
from trainables.specs import DataSpec, InitSpec
from trainables.splits import parse_split
from trainables.task import TASKS

POCKET = Path(__file__).parents[1] / "trainables/pocket/encoder"
MARGIN = 1.0
"""Points within which the interval shall lie."""


LANGUAGES = ("de", "en", "es", "fi", "ru", "sw")
"""Whose text the vocabulary of the real task's encoder is made for."""


_PRODUCTS = {torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default}


class RoundedProducts(TorchDispatchMode):
    """Products of bfloat16 matrices as float32 ones whose results are rounded: what a CPU with such products computes, which add up in
    float32 as well, at the speed of one without."""

    def __torch_dispatch__(self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func in _PRODUCTS and args[0].dtype == torch.bfloat16:
            return func(*(each.float() for each in args), **(kwargs or {})).bfloat16()
        return func(*args, **(kwargs or {}))


class Case(NamedTuple):
    """A task, what it trains on and what scores it."""

    task: str
    language: str
    train: str
    num_train: int | None
    scored: str
    max_length: int
    epochs: float
    learning_rate: float
    is_real: bool


CASES = {
    "pocket": Case("pocket_flavour_all", "qaa", "train", 600, "test", 64, 3.0, 5e-4, False),
    "pocket questions": Case("pocket_flavour_qa", "qaa", "train", 288, "test", 64, 6.0, 8e-4, False),
    "pocket tags": Case("pocket_flavour_tags", "qaa", "train", 192, "test", 64, 6.0, 8e-4, False),
    "real": Case("udpos", "en", "train", 2000, "dev", 128, 3.0, 3e-3, True),
}


class Prepared(NamedTuple):
    """Examples that are there for all seeds."""

    encoder: Path
    train: Features
    data: DataSpec
    """Of what is scored."""
    examples: list[Example]
    scored: Features


def prepare_case(case: Case, data: Path | None, folder: Path) -> Prepared:
    encoder = _random_encoder(data, folder) if case.is_real else POCKET
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(encoder)
    train = _data(case.task, case.language, case.train, case.num_train, data)
    scored = _data(case.task, case.language, case.scored, None, data)
    train_features, scored_features = (
        prepare(each, data, tokenizer, case.max_length, "train", folder).features for each in (train, scored)
    )
    return Prepared(encoder, train_features, scored, load_examples(scored, data).examples, scored_features)


def _data(task: str, language: str, split: str, num_examples: int | None, data: Path | None) -> DataSpec:
    found = TASKS.load(task)
    source = find_origin(task, found, parse_split(split)[0], language, data).source
    return DataSpec(task=task, task_version=found.version, split=split, language=language, num_examples=num_examples, source=source)


def _random_encoder(data: Path | None, folder: Path) -> Path:
    """A small XLM-R whose vocabulary is made for 15 languages, so that there is something to cut."""
    texts = [
        text
        for language in LANGUAGES
        for example in load_examples(_data("ntrex128", language, "train", None, data), data, labelled=False).examples
        for text in texts_of(example)
    ]
    spec = InitSpec(
        kind="init",
        code_version=1,
        versions=(),
        family="xlm_roberta",
        hidden_size=64,
        num_layers=2,
        num_heads=4,
        intermediate_size=128,
        vocabulary_size=12_000,
        max_positions=514,
        dropout=0.1,
        tokenizer_text=(),
        seed=0,
    )
    save_random_encoder(spec, texts, folder / "encoder")
    return folder / "encoder"


def score_ours(case: Case, prepared: Prepared, seed: int, precision: str) -> float:
    """In points."""
    task = TASKS.load(case.task)
    shape = HeadShape(TASK, task.kind, task.labels)
    model = with_fresh_heads("xlm_roberta", load_encoder(prepared.encoder), [shape], seed, precision)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32  # as a study evaluates
    has_products = precision == "float32" or torch.cpu._is_avx512_bf16_supported()
    with contextlib.nullcontext() if has_products else RoundedProducts():
        train_ours(model, _recipe(case, precision, seed), prepared.train)
        return _points(case, prepared, trainables.inference.predict(model.to(dtype), prepared.scored, TASK))


def score_padded(case: Case, prepared: Prepared, seed: int) -> float:
    """In points."""
    task = TASKS.load(case.task)
    model = load_for(task.kind, str(prepared.encoder), len(task.labels) or 2, seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(model, prepared.train, _recipe(case, "float32", seed), Path(folder))
        trainer.train()
        return _points(case, prepared, predict(trainer, prepared.scored))


def _recipe(case: Case, precision: str, seed: int) -> Recipe:
    return Recipe(precision=precision, batch_size=32, epochs=case.epochs, learning_rate=case.learning_rate, seed=seed)


def _points(case: Case, prepared: Prepared, outputs: NDArray[np.generic]) -> float:
    task = TASKS.load(case.task)
    scored = score(task, task.labels, case.language, prepared.examples, prepared.scored, outputs)
    return 100 * measure(prepared.data, scored)[0].value


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half of its 95% interval."""
    number = len(values)
    return float(np.mean(values)), float(student.ppf(0.975, number - 1) * np.std(values, ddof=1) / number**0.5)


def compare(name: str, case: Case, num_seeds: int, precision: str, data: Path | None) -> dict[str, Any]:
    """Prints a line a seed and what they come to, and gives the same."""
    with tempfile.TemporaryDirectory(prefix="polystilts-quality-") as folder:
        prepared = prepare_case(case, data, Path(folder))
        print(f"\n{name}: {case.task}, {prepared.train.num_examples:,} examples, {case.epochs:g} epochs, {len(prepared.examples):,} scored")
        ours, padded = [], []
        for seed in range(num_seeds):
            ours.append(score_ours(case, prepared, seed, precision))
            padded.append(score_padded(case, prepared, seed))
            print(f"  seed {seed:2}: ours, {precision}, {ours[-1]:6.2f}, padded float32 {padded[-1]:6.2f}", flush=True)
    differences = [mine - other for mine, other in zip(ours, padded, strict=True)]
    mean, half = interval(differences)
    verdict = "within" if abs(mean) + half <= MARGIN else "not within"
    print(
        f"  ours {np.mean(ours):.2f}, padded {np.mean(padded):.2f}: difference {mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}], "
        f"{verdict} {MARGIN:g} point, {num_seeds} seeds; standard deviation of a difference {np.std(differences, ddof=1):.2f}"
    )
    return {"ours": ours, "padded": padded, "difference": mean, "low": mean - half, "high": mean + half}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16", help="of ours")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    disable_progress_bar()
    set_verbosity_error()  # each fresh head would be reported
    for name in given.cases:
        if CASES[name].is_real and given.data is None:
            parser.error(f"--cases {name} reads published files; give their folder as --data")
    found = {name: compare(name, CASES[name], given.seeds, given.precision, given.data) for name in given.cases}
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
