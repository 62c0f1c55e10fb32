"""One pass over a split: sorted by length, packed, without gradients; the same for dev selection, test and retrieval.

Several ranks share the packs, which are the ones that a single rank would compute: no digit depends on how many there are, and each has
all outputs.

Legend: `S` sequences and `T` tokens of the split, `B` sequences of one pack, `C` classes, `D` hidden size.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.features import Features
from trainables.model import Model
from trainables.packing import Indices, Packed, pack, split_units
from trainables.ranks import gathered, rank_and_number

MAX_TOKENS = 8192


def predict(model: Model, features: Features, task: str, max_tokens: int = MAX_TOKENS) -> NDArray[Any]:
    """What the head of `task` says of each sequence or token, in the order of `features`.

    float32: classification [S, C], multiple choice [S], span_qa [T, 2], tagging [T, C]. mlm: int32 [T], the likeliest token. The last two
    where there is a target; elsewhere -1.
    """
    is_labelled = features.kind in ("tagging", "mlm")
    is_by_token = is_labelled or features.kind == "span_qa"

    def parts() -> Iterator[tuple[Indices, NDArray[Any]]]:
        for packed in _packs(model, features, max_tokens):
            logits = model.logits(packed, task)
            said = logits.argmax(1).to(torch.int32) if features.kind == "mlm" else logits
            rows_T = packed.rows_T[packed.labelled_K.cpu().numpy()] if is_labelled else packed.rows_T
            yield rows_T if is_by_token else packed.sequences_B, said.cpu().numpy()

    return _in_order(parts(), len(features.token_ids) if is_by_token else len(features.second_segment))


def embed(
    model: Model, features: Features, layer: int, pooling: Literal["mean", "first"], max_tokens: int = MAX_TOKENS
) -> NDArray[np.float32]:
    """One vector [S, D] a sequence from one layer's hidden states.

    The mean is over all tokens, special ones included, as in XTREME. Layer 0 is the embeddings' output, -1 the last layer.
    """

    def parts() -> Iterator[tuple[Indices, NDArray[np.float32]]]:
        for packed in _packs(model, features, max_tokens):
            hidden_TD = model.hidden(packed, layer).float()
            if pooling == "first":
                vectors_BD = hidden_TD[packed.starts_B]
            else:
                sums_BD = hidden_TD.new_zeros(len(packed.starts_B), hidden_TD.shape[1]).index_add(0, packed.sequence_T, hidden_TD)
                vectors_BD = sums_BD / packed.runs.bounds_B1.diff()[:, None]
            yield packed.sequences_B, vectors_BD.cpu().numpy()

    return _in_order(parts(), len(features.second_segment))


def embed_tokens(model: Model, features: Features, layer: int, max_tokens: int = MAX_TOKENS) -> NDArray[np.float32]:
    """A vector [T, D] a token from one layer's hidden states, in the order of `features`."""
    return _in_order(hidden_states(model, features, layer, max_tokens), len(features.token_ids))


@torch.no_grad()
def hidden_states(
    model: Model, features: Features, layer: int, max_tokens: int = MAX_TOKENS
) -> Iterator[tuple[Indices, NDArray[np.float32]]]:
    """The same in the parts that this rank computes: rows of `features`, and their vectors."""
    for packed in _packs(model, features, max_tokens):
        yield packed.rows_T, model.hidden(packed, layer).float().cpu().numpy()


def _packs(model: Model, features: Features, max_tokens: int) -> Iterator[Packed]:
    """The packs of this rank: they are dealt in turn."""
    model.eval()
    rank, num_ranks = rank_and_number()
    packs = list(split_units(features, max_tokens))
    for first in range(0, len(packs), num_ranks):
        # in the last turn the ranks that have none left compute the first one too: where weights are sharded, none can run alone
        place = first + rank if first + rank < len(packs) else first
        yield pack(features, packs[place], model.device)


@torch.no_grad()  # not inference_mode: what sharded weights gather in it could not be trained afterwards
def _in_order(parts: Iterable[tuple[Indices, NDArray[Any]]], num_rows: int) -> NDArray[Any]:
    """One array of what all ranks computed, each part at its rows, and -1 at rows of none."""
    whole: NDArray[Any] | None = None
    mine: list[Indices] = []
    for rows, values in parts:
        if whole is None:
            whole = np.full((num_rows, *values.shape[1:]), -1, values.dtype)
        whole[rows] = values
        mine.append(rows)
    assert whole is not None, "a split has sequences"
    if rank_and_number()[1] > 1:
        own = np.concatenate(mine)
        for rows, values in gathered((own, whole[own])):
            whole[rows] = values
    return whole
