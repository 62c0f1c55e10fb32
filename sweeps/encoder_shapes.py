"""The shapes of encoders, without loading them: published ones by name, a folder's by its config.json, random ones by the study."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.study import Model
from trainables.flops import EncoderShape


class Encoder(NamedTuple):
    """What the cost of an encoder is counted from."""

    shape: EncoderShape
    num_parameters: int
    """Without pooler and heads."""
    tokenizer: Path | None
    """The tokenizer.json beside it, where it is at hand."""


class Published(NamedTuple):
    """What an encoder's config.json on the hub says."""

    shape: EncoderShape
    vocabulary_size: int
    num_positions: int | None
    """Rows of the table, also those that no token has; None where there is none, as in mT5."""


def mt5_shape(num_layers: int, hidden_size: int, intermediate_size: int, attention_size: int) -> EncoderShape:
    """Of mT5's encoder."""
    return EncoderShape(num_layers, hidden_size, intermediate_size, is_prenorm=True, is_gated=True, attention_size=attention_size)


HUB: Mapping[str, Published] = {
    "FacebookAI/xlm-roberta-base": Published(EncoderShape(12, 768, 3072), 250_002, 514),
    "FacebookAI/xlm-roberta-large": Published(EncoderShape(24, 1024, 4096), 250_002, 514),
    "facebook/xlm-roberta-xl": Published(EncoderShape(36, 2560, 10_240, is_prenorm=True), 250_880, 514),
    "facebook/xlm-roberta-xxl": Published(EncoderShape(48, 4096, 16_384, is_prenorm=True), 250_880, 514),
    "google-bert/bert-base-multilingual-cased": Published(EncoderShape(12, 768, 3072), 119_547, 512),
    "google/mt5-small": Published(mt5_shape(8, 512, 1024, 6 * 64), 250_112, None),
    "google/mt5-base": Published(mt5_shape(12, 768, 2048, 12 * 64), 250_112, None),
    "google/mt5-large": Published(mt5_shape(24, 1024, 2816, 16 * 64), 250_112, None),
    "google/mt5-xl": Published(mt5_shape(24, 2048, 5120, 32 * 64), 250_112, None),
    "google/mt5-xxl": Published(mt5_shape(24, 4096, 10_240, 64 * 64), 250_112, None),
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
    is_prenorm = model.family == "xlm_roberta_xl"
    if model.random is not None:
        made = model.random
        if model.family == "mt5":
            shape = mt5_shape(made.num_layers, made.hidden_size, made.intermediate_size, made.hidden_size)
        else:
            shape = EncoderShape(made.num_layers, made.hidden_size, made.intermediate_size, is_prenorm)
        return Encoder(shape, count_parameters(shape, made.vocabulary_size, made.max_positions + 2, 1), None)
    if model.folder is not None:
        folder = base / model.folder
        config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
        tokenizer = folder / "tokenizer.json"
        if model.family == "mt5":
            width = int(config["num_heads"]) * int(config["d_kv"])
            shape, tables = (
                mt5_shape(int(config["num_layers"]), int(config["d_model"]), int(config["d_ff"]), width),
                (int(config["vocab_size"]), 0, 0),
            )
        else:
            shape = EncoderShape(int(config["num_hidden_layers"]), int(config["hidden_size"]), int(config["intermediate_size"]), is_prenorm)
            tables = (int(config["vocab_size"]), int(config["max_position_embeddings"]), int(config.get("type_vocab_size", 1)))
        return Encoder(shape, count_parameters(shape, *tables), tokenizer if tokenizer.is_file() else None)
    found = published(str(model.hub))
    if found is None:
        return None
    shape, vocabulary_size, num_positions = found
    return Encoder(shape, count_parameters(shape, vocabulary_size, num_positions or 0, 2 if model.family == "bert" else 1), None)


def published(hub: str) -> Published | None:
    """An encoder of the hub, also by a former name; None for one that is not in the table."""
    return HUB.get(_FORMER_NAMES.get(hub, hub))


def count_parameters(shape: EncoderShape, vocabulary_size: int, num_positions: int, num_segments: int) -> int:
    """Embeddings, layers of four square projections and a feed-forward pair with their biases, and norms of two vectors each.

    Of mT5, which alone is gated: no positions, no biases, norms of one vector, and a bias for each of 32 distances and each head of 64.
    """
    size, inner = shape.hidden_size, shape.intermediate_size
    if shape.is_gated:
        return vocabulary_size * size + shape.num_layers * (shape.layer_weights + 2 * size) + size + 32 * shape.width // 64
    embeddings = (vocabulary_size + num_positions + num_segments) * size
    layer = 4 * (size * size + size) + 2 * size * inner + inner + size + 4 * size
    one_norm = 2 * size  # after the embeddings, or after the last layer
    return embeddings + shape.num_layers * layer + one_norm
