"""Toy encoders, features and specs for the tests of the training core."""

from pathlib import Path
from typing import Any

import numpy as np

from trainables.features import IGNORED, Features
from trainables.head_files import HeadShape
from trainables.model import Model, load_encoder, with_fresh_heads
from trainables.random_encoder import save_random_encoder
from trainables.specs import DataSpec, InitSpec, MixtureTask, StageEncoder, TrainSpec

WORDS = [f"{first}{last}" for first in ("ba", "de", "ki", "lo", "mu", "na") for last in ("r", "st", "ng", "m", "lik", "")]
NO_GRADIENT = ("key.bias", "heads.choose.out_proj.bias", "heads.answer.qa_outputs.bias")
"""They shift all scores of a softmax alike: their gradients are zero but for rounding, which AdamW blows up."""
SHAPES = {
    "classification": HeadShape("classify", "classification", ("a", "b", "c")),
    "multiple_choice": HeadShape("choose", "multiple_choice", ()),
    "tagging": HeadShape("tag", "tagging", ("O", "B", "I")),
    "span_qa": HeadShape("answer", "span_qa", ()),
    "mlm": HeadShape("predict", "mlm", ()),
}


def toy_init(family: str, **changes: Any) -> InitSpec:
    fields = {
        "kind": "init",
        "code_version": 1,
        "versions": (),
        "family": family,
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "intermediate_size": 48,
        "max_positions": 40,
        "dropout": 0.0,
        "vocabulary_size": 120,
        "tokenizer_text": (),
        "seed": 1,
    }
    return InitSpec.model_validate(fields | changes)


def toy_texts() -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, random.integers(3, 12))) for _ in range(200)]


def save_toy_encoder(family: str, folder: Path, **changes: Any) -> Path:
    save_random_encoder(toy_init(family, **changes), toy_texts(), folder)
    return folder


def toy_model(family: str, folder: Path, *kinds: str, precision: Any = "float32", **changes: Any) -> Model:
    save_toy_encoder(family, folder, **changes)
    return with_fresh_heads(family, load_encoder(folder), [SHAPES[kind] for kind in kinds], 5, precision)


def toy_features(kind: str, num_examples: int = 40, seed: int = 0) -> Features:
    """Random tokens with targets that can be learnt from them; two or three options a question, one or two windows."""
    random = np.random.default_rng(seed)
    num_sequences_N = random.integers(*{"multiple_choice": (2, 4), "span_qa": (1, 3)}.get(kind, (1, 2)), num_examples)
    lengths = random.integers(5, 30, num_sequences_N.sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    token_ids = random.integers(5, 30, offsets[-1])
    targets = {
        "classification": token_ids[offsets[:-1]] % 3,
        "multiple_choice": random.integers(0, num_sequences_N),
        "tagging": np.where(random.random(offsets[-1]) < 0.6, token_ids % 3, IGNORED),
        "span_qa": np.sort(random.integers(0, lengths[:, None], (len(lengths), 2)), axis=1),
        "mlm": np.where(random.random(offsets[-1]) < 0.2, token_ids, IGNORED),
    }
    return Features(
        kind=kind,
        token_ids=token_ids.astype(np.int32),
        offsets=offsets,
        second_segment=random.integers(2, lengths + 1).astype(np.int32),
        example=np.repeat(np.arange(num_examples, dtype=np.int32), num_sequences_N),
        num_examples=num_examples,
        targets=targets[kind].astype(np.int32),
        char_spans=np.zeros((0, 2), np.int32),
    )


def toy_data(task: str) -> DataSpec:
    return DataSpec(task=task, task_version=1, split="train", language="en", num_examples=None, source="generated")


def toy_spec(*kinds: str, **changes: Any) -> TrainSpec:
    fields = {
        "kind": "train",
        "code_version": 1,
        "versions": (),
        "family": "bert",
        "encoder": StageEncoder(stage="init-0"),
        "mixture": tuple(MixtureTask(train=toy_data(SHAPES[kind].task), dev=(), weight=1.0, share=None) for kind in kinds),
        "sampler": "proportional",
        "examples_cap": None,
        "temperature": 1.0,
        "layers_trained": "all",
        "layer_decay": 1.0,
        "unfreezing": "at_once",
        "learning_rate": 1e-3,
        "batch_size": 8,
        "epochs": None,
        "steps": 30,
        "warmup_fraction": 0.1,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "max_length": 40,
        "precision": "float32",
        "num_evals": 3,
        "keep": "best",
        "patience": None,
        "seed": 7,
    }
    return TrainSpec.model_validate(fields | changes)
