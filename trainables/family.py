"""What a model family is: everything that differs between encoders; its name is a file name under `trainables/models`."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.task import did_you_mean

if TYPE_CHECKING:  # planning asks for names and must not pay for torch
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from trainables.specs import InitSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of encoder, as its file describes it.

    `first_position(config)` is the position id of a sequence's first token. `embeddings` names the submodule that
    `no_embeddings` freezes. `has_segments` says whether tokens of the second segment get token type 1.
    `make_config(spec, vocabulary_size)` shapes a random encoder and `train_tokenizer(texts, vocabulary_size, max_length)`
    makes the tokenizer that goes with it.
    """

    first_position: Callable[[PreTrainedConfig], int]
    embeddings: str
    has_segments: bool
    make_config: Callable[[InitSpec, int], PreTrainedConfig]
    train_tokenizer: Callable[[Iterable[str], int, int], PreTrainedTokenizerBase]


def initializer_range(hidden_size: int) -> float:
    """Standard deviation of random weights: BERT's 0.02 at its width of 768, and as much signal through a layer at any other."""
    return 0.02 * math.sqrt(768 / hidden_size)


@functools.cache
def family_names() -> tuple[str, ...]:
    """The names of all families: the file names under `trainables/models`."""
    folder = Path(__file__).parent / "models"
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


@functools.cache
def load_family(name: str) -> Family:
    """The family called `name`; a ValueError suggests the nearest name if there is none."""
    if name not in family_names():
        raise ValueError(f"unknown model family {name!r}{did_you_mean(name, family_names())}")
    family = importlib.import_module(f"trainables.models.{name}").FAMILY
    assert isinstance(family, Family), f"trainables/models/{name}.py must define FAMILY"
    return family
