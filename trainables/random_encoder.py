"""A random encoder and a tokenizer trained on given text: where no pretrained weights can be had."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trainables.family import FAMILIES
from trainables.model import fresh_encoder
from trainables.seeds import derive_seed

if TYPE_CHECKING:
    from trainables.specs import InitSpec


def save_random_encoder(spec: InitSpec, texts: Iterable[str], folder: Path) -> None:
    """Train the tokenizer on `texts`, draw the weights from the seed, and save both as transformers does."""
    family = FAMILIES.load(spec.family)
    tokenizer = family.train_tokenizer(texts, spec.vocabulary_size, spec.max_positions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("encoder", spec.seed))
        encoder = fresh_encoder(family.make_config(spec, len(tokenizer)))
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
