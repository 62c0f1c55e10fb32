"""What a model family is: everything that differs between encoders; its name is a file name under `trainables/models`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from trainables.catalogue import Catalogue
from trainables.flops import EncoderShape

if TYPE_CHECKING:  # planning asks for names and must not pay for torch
    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from trainables.specs import InitSpec


def shape_of(config: PreTrainedConfig) -> EncoderShape:
    """Of layers as BERT has them."""
    return EncoderShape(int(config.num_hidden_layers), int(config.hidden_size), int(config.intermediate_size))


def run_layers(encoder: PreTrainedModel, hidden_TD: Tensor, first: int, end: int, **for_layers: object) -> Tensor:
    """Layers as BERT has them, from number `first` to the one before `end`."""
    states = hidden_TD[None]
    for layer in encoder.encoder.layer[first:end]:
        states = layer(states, None, **for_layers)
    return states.squeeze(0)


def last_attention(encoder: PreTrainedModel) -> nn.Module:
    """Of the last of layers as BERT has them, the module of `self`, with its projections, and of `output`, which follows on it."""
    attention: nn.Module = encoder.encoder.layer[-1].attention
    return attention


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of encoder, as its file describes it.

    `first_position(config)` is the position id of a sequence's first token. `has_segments` says whether tokens of the second segment
    get token type 1. `summary`: what stands for a whole sequence, its first token or, where that one is nothing special, the mean of all.
    `shape(config)` is what operations are counted from; where it `is_narrow`, the last layer is as `last_attention` has it.
    `adapted`: the projections of queries and values, by the ends of their names. `prepare(encoder)` makes an encoder read packed
    sequences, where attention alone does not do it. `has_position_bias`: attention adds something to its scores.
    `run_layers(encoder, hidden_TD, first, end, ...)` runs the layers from number `first` to the one before `end`, which get what else it
    is given; None where layers need something of the first.
    `make_config(spec, vocabulary_size)` shapes a random encoder and `train_tokenizer(texts, vocabulary_size, max_length)`
    makes the tokenizer that goes with it.
    """

    first_position: Callable[[PreTrainedConfig], int]
    has_segments: bool
    summary: Literal["first", "mean"] = "first"
    shape: Callable[[PreTrainedConfig], EncoderShape] = shape_of
    adapted: tuple[str, str] = ("query", "value")
    prepare: Callable[[PreTrainedModel], None] | None = None
    has_position_bias: bool = False
    run_layers: Callable[..., Tensor] | None = run_layers
    make_config: Callable[[InitSpec, int], PreTrainedConfig]
    train_tokenizer: Callable[[Iterable[str], int, int], PreTrainedTokenizerBase]


def initializer_range(hidden_size: int) -> float:
    """Standard deviation of random weights: BERT's 0.02 at its width of 768, and as much signal through a layer at any other."""
    return 0.02 * math.sqrt(768 / hidden_size)


FAMILIES = Catalogue("trainables.models", "FAMILY", Family, "model family")
"""All families: the files under `trainables/models`."""
