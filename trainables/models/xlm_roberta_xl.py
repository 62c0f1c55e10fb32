"""XLM-R XL and XXL: Goyal et al. 2021, "Larger-scale transformers for multilingual masked language modeling", https://arxiv.org/abs/2105.00572.

They differ from XLM-R in where layers are normalised: before attention and feed-forward, and once more after the last layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import PreTrainedConfig, PreTrainedModel, XLMRobertaXLConfig

from trainables.family import Family, run_layers, shape_of
from trainables.flops import EncoderShape
from trainables.models.xlm_roberta import config_fields, first_position, train_tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.specs import InitSpec


def make_config(spec: InitSpec, vocabulary_size: int) -> XLMRobertaXLConfig:
    return XLMRobertaXLConfig(**config_fields(spec, vocabulary_size))


def shape(config: PreTrainedConfig) -> EncoderShape:
    return shape_of(config)._replace(is_prenorm=True)


def run_layers_and_norm(encoder: PreTrainedModel, hidden_TD: Tensor, first: int, end: int, **for_layers: object) -> Tensor:
    states = run_layers(encoder, hidden_TD, first, end, **for_layers)
    return encoder.encoder.LayerNorm(states) if end == encoder.config.num_hidden_layers else states


FAMILY = Family(
    first_position=first_position,
    has_segments=False,
    shape=shape,
    run_layers=run_layers_and_norm,
    make_config=make_config,
    train_tokenizer=train_tokenizer,
)
