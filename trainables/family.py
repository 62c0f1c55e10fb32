"""What a model family is: everything that differs between encoders; its name is a file name under `trainables/models`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from trainables.catalogue import Catalogue

if TYPE_CHECKING:  # planning asks for names and must not pay for torch
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from trainables.specs import InitSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of encoder, as its file describes it.

    `first_position(config)` is the position id of a sequence's first token. `has_segments` says whether tokens of the second segment
    get token type 1. `is_prenorm`: each layer is normalised before its attention rather than after it.
    `make_config(spec, vocabulary_size)` shapes a random encoder and `train_tokenizer(texts, vocabulary_size, max_length)`
    makes the tokenizer that goes with it.
    """

    first_position: Callable[[PreTrainedConfig], int]
    has_segments: bool
    is_prenorm: bool = False
    make_config: Callable[[InitSpec, int], PreTrainedConfig]
    train_tokenizer: Callable[[Iterable[str], int, int], PreTrainedTokenizerBase]


def initializer_range(hidden_size: int) -> float:
    """Standard deviation of random weights: BERT's 0.02 at its width of 768, and as much signal through a layer at any other."""
    return 0.02 * math.sqrt(768 / hidden_size)


FAMILIES = Catalogue("trainables.models", "FAMILY", Family, "model family")
"""All families: the files under `trainables/models`."""
