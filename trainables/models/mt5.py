"""mT5: Xue et al. 2021, "mT5: a massively multilingual pre-trained text-to-text transformer", https://arxiv.org/abs/2010.11934.

Its encoder alone: distances in place of positions, gated feed-forward parts, norms without a mean. Weights: Apache 2.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from transformers import MT5Config, PreTrainedConfig, PreTrainedModel, T5Tokenizer

from trainables.family import Family
from trainables.flops import EncoderShape
from trainables.models.xlm_roberta import learn_pieces

if TYPE_CHECKING:
    from torch import nn

    from trainables.specs import InitSpec

SPECIAL_TOKENS = ["<pad>", "</s>", "<unk>"]
SENTINEL = "<extra_id_0>"
"""Stands for what is left out of a text."""


def first_position(_config: PreTrainedConfig) -> int:
    return 0


def shape(config: PreTrainedConfig) -> EncoderShape:
    return EncoderShape(
        config.num_layers,
        config.d_model,
        config.d_ff,
        is_prenorm=True,
        is_gated=True,
        attention_size=config.num_heads * config.d_kv,
        is_narrow=False,
    )


def make_config(spec: InitSpec, vocabulary_size: int) -> MT5Config:
    return MT5Config(
        vocab_size=vocabulary_size,
        d_model=spec.hidden_size,
        d_kv=spec.hidden_size // spec.num_heads,
        d_ff=spec.intermediate_size,
        num_layers=spec.num_layers,
        num_heads=spec.num_heads,
        dropout_rate=spec.dropout,
    )


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, max_length: int) -> T5Tokenizer:
    """As XLM-R's, with T5's special tokens; the sentinel, which comes last, also masks."""
    pieces = learn_pieces(texts, vocabulary_size - 1, SPECIAL_TOKENS)
    vocabulary = [*((token, 0.0) for token in SPECIAL_TOKENS), *pieces, (SENTINEL, 0.0)]
    return T5Tokenizer(vocab=vocabulary, extra_ids=1, mask_token=SENTINEL, model_max_length=max_length)


def prepare(encoder: PreTrainedModel) -> None:
    """Makes the first layer's attention compute the position bias of the longest sequence, not that of the whole row.

    What it computes all other layers use, and `packed_attention` cuts to each sequence's length.
    """
    first: nn.Module = cast(Any, encoder).encoder.block[0].layer[0].SelfAttention
    first.register_forward_pre_hook(_bias_of_longest, with_kwargs=True)


def _bias_of_longest(attention: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    longest = kwargs["runs"].longest
    return args, kwargs | {"position_bias": attention.compute_bias(longest, longest)}


FAMILY = Family(
    first_position=first_position,
    has_segments=False,
    summary="mean",
    shape=shape,
    adapted=("q", "v"),
    prepare=prepare,
    has_position_bias=True,
    run_layers=None,
    make_config=make_config,
    train_tokenizer=train_tokenizer,
)
