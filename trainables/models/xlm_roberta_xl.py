"""XLM-R XL and XXL: Goyal et al. 2021, "Larger-scale transformers for multilingual masked language modeling", https://arxiv.org/abs/2105.00572.

They differ from XLM-R in where layers are normalised: before attention and feed-forward, and once more after the last layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import XLMRobertaXLConfig

from trainables.family import Family, initializer_range
from trainables.models.xlm_roberta import first_position, train_tokenizer

if TYPE_CHECKING:
    from trainables.specs import InitSpec


def make_config(spec: InitSpec, vocabulary_size: int) -> XLMRobertaXLConfig:
    return XLMRobertaXLConfig(
        vocab_size=vocabulary_size,
        hidden_size=spec.hidden_size,
        num_hidden_layers=spec.num_layers,
        num_attention_heads=spec.num_heads,
        intermediate_size=spec.intermediate_size,
        max_position_embeddings=spec.max_positions + 2,  # ids 0 and 1 are never used
        initializer_range=initializer_range(spec.hidden_size),
        hidden_dropout_prob=spec.dropout,
        attention_probs_dropout_prob=spec.dropout,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


FAMILY = Family(
    first_position=first_position,
    has_segments=False,
    is_prenorm=True,
    make_config=make_config,
    train_tokenizer=train_tokenizer,
)
