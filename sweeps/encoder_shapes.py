"""The shapes of encoders, without loading them: published ones by name, a folder's by its config.json, random ones by the study."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.study_models import Model, RandomEncoder
from trainables.flops import EncoderShape


class Encoder(NamedTuple):
    """What the cost of an encoder is counted from."""

    shape: EncoderShape
    num_parameters: int
    """Without pooler and heads."""
    vocabulary_size: int
    tokenizer: Path | None
    """The tokenizer.json beside it, where it is at hand."""


class Tables(NamedTuple):
    """What an encoder's config.json says: the shape of its layers, and the rows of its tables of embeddings."""

    shape: EncoderShape
    vocabulary_size: int
    num_positions: int | None
    """Also those that no token has; None where there is no table, as in mT5."""
    num_segments: int = 1


def mt5_shape(num_layers: int, hidden_size: int, intermediate_size: int, attention_size: int) -> EncoderShape:
    """Of mT5's encoder."""
    return EncoderShape(
        num_layers, hidden_size, intermediate_size, is_prenorm=True, is_gated=True, attention_size=attention_size, is_narrow=False
    )


HUB: Mapping[str, Tables] = {
    "FacebookAI/xlm-roberta-base": Tables(EncoderShape(12, 768, 3072), 250_002, 514),
    "FacebookAI/xlm-roberta-large": Tables(EncoderShape(24, 1024, 4096), 250_002, 514),
    "facebook/xlm-roberta-xl": Tables(EncoderShape(36, 2560, 10_240, is_prenorm=True), 250_880, 514),
    "facebook/xlm-roberta-xxl": Tables(EncoderShape(48, 4096, 16_384, is_prenorm=True), 250_880, 514),
    "google-bert/bert-base-multilingual-cased": Tables(EncoderShape(12, 768, 3072), 119_547, 512, 2),
    "google/mt5-small": Tables(mt5_shape(8, 512, 1024, 6 * 64), 250_112, None),
    "google/mt5-base": Tables(mt5_shape(12, 768, 2048, 12 * 64), 250_112, None),
    "google/mt5-large": Tables(mt5_shape(24, 1024, 2816, 16 * 64), 250_112, None),
    "google/mt5-xl": Tables(mt5_shape(24, 2048, 5120, 32 * 64), 250_112, None),
    "google/mt5-xxl": Tables(mt5_shape(24, 4096, 10_240, 64 * 64), 250_112, None),
}
"""By name."""

_FORMER_NAMES = {
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
    "bert-base-multilingual-cased": "google-bert/bert-base-multilingual-cased",
}
"""Names that the hub still answers to."""


def encoder_of(model: Model, base: Path) -> Encoder | None:
    """A study's encoder; None for one on the hub that is not in the table."""
    tokenizer = None
    if model.random is not None:
        found: Tables | None = _of_random(model.family, model.random)
    elif model.folder is not None:
        found = _of_config(model.family, json.loads((base / model.folder / "config.json").read_bytes()))
        tokenizer = base / model.folder / "tokenizer.json"
    else:
        found = published(str(model.hub))
    if found is None:
        return None
    at_hand = tokenizer if tokenizer is not None and tokenizer.is_file() else None
    return Encoder(found.shape, count_parameters(found), found.vocabulary_size, at_hand)


def _of_random(family: str, made: RandomEncoder) -> Tables:
    if family == "mt5":
        return Tables(mt5_shape(made.num_layers, made.hidden_size, made.intermediate_size, made.hidden_size), made.vocabulary_size, None)
    shape = _bert_shape(family, made.num_layers, made.hidden_size, made.intermediate_size)
    return Tables(shape, made.vocabulary_size, made.max_positions + 2, 2 if family == "bert" else 1)


def _of_config(family: str, config: dict[str, Any]) -> Tables:
    """By a config.json, in which mT5 has names of its own."""
    if family == "mt5":
        shape = mt5_shape(config["num_layers"], config["d_model"], config["d_ff"], config["num_heads"] * config["d_kv"])
        return Tables(shape, int(config["vocab_size"]), None)
    shape = _bert_shape(family, int(config["num_hidden_layers"]), int(config["hidden_size"]), int(config["intermediate_size"]))
    return Tables(shape, int(config["vocab_size"]), int(config["max_position_embeddings"]), int(config.get("type_vocab_size", 1)))


def _bert_shape(family: str, num_layers: int, hidden_size: int, intermediate_size: int) -> EncoderShape:
    return EncoderShape(num_layers, hidden_size, intermediate_size, is_prenorm=family == "xlm_roberta_xl")


def published(hub: str) -> Tables | None:
    """An encoder of the hub, also by a former name; None for one that is not in the table."""
    return HUB.get(_FORMER_NAMES.get(hub, hub))


def count_parameters(tables: Tables) -> int:
    """Embeddings, layers of four square projections and a feed-forward pair with their biases, and norms of two vectors each.

    Of mT5, which alone is gated: no positions, no biases, norms of one vector, and a bias for each of 32 distances and each head of 64.
    """
    shape, size, inner = tables.shape, tables.shape.hidden_size, tables.shape.intermediate_size
    if shape.is_gated:
        return tables.vocabulary_size * size + shape.num_layers * (shape.layer_weights + 2 * size) + size + 32 * shape.width // 64
    embeddings = (tables.vocabulary_size + (tables.num_positions or 0) + tables.num_segments) * size
    layer = 4 * (size * size + size) + 2 * size * inner + inner + size + 4 * size
    one_norm = 2 * size  # after the embeddings, or after the last layer
    return embeddings + shape.num_layers * layer + one_norm
