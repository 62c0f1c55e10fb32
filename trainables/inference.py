"""One pass over a split: sorted by length, packed, without gradients; the same for dev selection, test and retrieval.

Legend: `S` sequences and `T` tokens of the split, `B` sequences of one pack, `C` classes, `D` hidden size.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.features import IGNORED, Features
from trainables.model import Model
from trainables.packing import Packed, pack, split_units

MAX_TOKENS = 8192


def predict(model: Model, features: Features, task: str, max_tokens: int = MAX_TOKENS) -> NDArray[Any]:
    """What the head of `task` says of each sequence or token, in the order of `features`.

    float32: classification [S, C], multiple choice [S], tagging [T, C], span_qa [T, 2]. mlm: int32 [T], the likeliest token
    where there is a target, elsewhere -1.
    """
    outputs: NDArray[Any] | None = None
    for packed in _packs(model, features, max_tokens):
        with torch.inference_mode():
            logits = model.logits(packed, task)
            if features.kind == "mlm":
                logits = torch.full_like(packed.targets, -1).masked_scatter(packed.targets != IGNORED, logits.argmax(1)).to(torch.int32)
        part = logits.cpu().numpy()
        is_by_token = features.kind in ("tagging", "span_qa", "mlm")
        if outputs is None:
            outputs = np.empty((len(features.token_ids) if is_by_token else len(features.second_segment), *part.shape[1:]), part.dtype)
        outputs[packed.rows_T if is_by_token else packed.sequences_B] = part
    assert outputs is not None, "a split has sequences"
    return outputs


def embed(
    model: Model, features: Features, layer: int, pooling: Literal["mean", "first"], max_tokens: int = MAX_TOKENS
) -> NDArray[np.float32]:
    """One vector [S, D] a sequence from one layer's hidden states.

    The mean is over all tokens, special ones included, as in XTREME. Layer 0 is the embeddings' output, -1 the last layer.
    """
    vectors = np.empty((len(features.second_segment), model.encoder.config.hidden_size), np.float32)
    for packed in _packs(model, features, max_tokens):
        with torch.inference_mode():
            hidden_TD = model.hidden(packed, layer).float()
            if pooling == "first":
                vectors_BD = hidden_TD[packed.starts_B]
            else:
                sums_BD = hidden_TD.new_zeros(len(packed.starts_B), hidden_TD.shape[1]).index_add(0, packed.sequence_T, hidden_TD)
                vectors_BD = sums_BD / packed.runs.bounds_B1.diff()[:, None]
        vectors[packed.sequences_B] = vectors_BD.cpu().numpy()
    return vectors


def _packs(model: Model, features: Features, max_tokens: int) -> Iterator[Packed]:
    model.eval()
    for sequences in split_units(features, max_tokens):
        yield pack(features, sequences, model.device)
