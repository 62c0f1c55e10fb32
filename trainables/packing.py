"""Sequences end to end as one row of tokens, and the attention that keeps them apart: no padding, no mask.

Legend: `B` sequences, `T` tokens of all of them, `U` units of a batch, `N` examples, `L` length,
`H` attention heads, `E` size of a head.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from trainables.dropout_attention import Block, cut_blocks, dropout_attention, rows_of
from trainables.features import IGNORED, Features

ATTENTION = "packed"
"""Name under which transformers finds `packed_attention`."""

Indices = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runs:
    """Where the sequences of a row lie, for attention."""

    lengths_B: Indices
    """Ascending."""
    bounds_B1: Tensor
    """[B + 1] int32: sequence b is tokens `bounds[b]` to `bounds[b + 1]`."""
    _blocks: dict[tuple[int, torch.dtype], tuple[Block, ...]] = dataclasses.field(default_factory=dict)

    @property
    def longest(self) -> int:
        return int(self.lengths_B[-1])

    @functools.cached_property
    def equal_lengths(self) -> list[tuple[int, int]]:
        """(sequences, length) of each run of sequences of one length."""
        return [(len(list(run)), length) for length, run in itertools.groupby(self.lengths_B.tolist())]

    def blocks(self, num_heads: int, dtype: torch.dtype) -> tuple[Block, ...]:
        """As `cut_blocks` makes them, once for all layers."""
        if (num_heads, dtype) not in self._blocks:
            self._blocks[num_heads, dtype] = cut_blocks(self.lengths_B, num_heads, dtype)
        return self._blocks[num_heads, dtype]


class Asked(NamedTuple):
    """The tokens of a row whose last hidden states a head looks at."""

    rows_K: Tensor
    """Their places, ascending."""
    is_one_each: bool
    """Whether they are one of each sequence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packed:
    """Some sequences of a `Features`, in order of length, as one row of tokens."""

    token_ids_T: Tensor
    position_ids_T: Tensor
    """Counted from 0; the model adds its family's first position."""
    segments_T: Tensor
    """0, and 1 from the second segment on."""
    sequence_T: Tensor
    """The sequence of each token."""
    starts_B: Tensor
    """The first token of each sequence."""
    example_B: Tensor
    """The example of each sequence, 0 to N - 1."""
    option_B: Tensor
    """The place of each sequence among those of its example."""
    targets: Tensor
    """classification, multiple choice: [N]; tagging, mlm: [T]; span_qa: [B, 2]; empty where the features have none."""
    labelled_K: Tensor
    """tagging, mlm: the places of tokens with a target; else empty."""
    runs: Runs
    rows_T: Indices
    """The row of each token in the features."""
    sequences_B: Indices
    """The index of each sequence in the features."""


def unit_bounds(features: Features) -> Indices:
    """[U + 1]: unit `u`, what batches are counted in, is sequences `bounds[u]` to `bounds[u + 1]`.

    A unit is one sequence, except in multiple choice, where the options of a question stay together.
    """
    if features.kind == "multiple_choice":
        return np.searchsorted(features.example, np.arange(features.num_examples + 1)).astype(np.int64)
    return np.arange(len(features.offsets), dtype=np.int64)


def token_rows(features: Features, units_U: Indices) -> Indices:
    """The rows of the tokens of the given units, in the given order."""
    return _token_rows(features, _sequences_of(unit_bounds(features), units_U))


def take(features: Features, units_U: Indices) -> Features:
    """The given units as features of their own, in the given order; a unit may come twice."""
    bounds = unit_bounds(features)
    num_sequences_U = bounds[units_U + 1] - bounds[units_U]
    sequences = _sequences_of(bounds, units_U)
    lengths = features.offsets[sequences + 1] - features.offsets[sequences]
    rows = _token_rows(features, sequences)
    return features._replace(
        token_ids=features.token_ids[rows],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        second_segment=features.second_segment[sequences],
        example=np.repeat(np.arange(len(units_U), dtype=np.int32), num_sequences_U),
        num_examples=len(units_U),
        targets=_targets_of(features, features.example[bounds[units_U]], sequences, rows),
        char_spans=features.char_spans[rows] if len(features.char_spans) else features.char_spans,
    )


def split_units(features: Features, max_tokens: int, rank: int = 0, num_ranks: int = 1) -> Iterator[Indices]:
    """The sequences of each micro-batch that `rank` computes: whole units, longest first, of at most `max_tokens` tokens.

    Units are dealt to the ranks in order of length, so that all have about as much to do. A unit above the budget goes alone.
    """
    bounds = unit_bounds(features)
    tokens_U = np.diff(features.offsets[bounds])
    mine = np.argsort(-tokens_U, kind="stable")[rank::num_ranks]
    begin, budget = 0, max_tokens
    for place, num_tokens in enumerate(tokens_U[mine]):
        if num_tokens > budget and place > begin:
            yield _ranges(bounds[mine[begin:place]], np.diff(bounds)[mine[begin:place]])
            begin, budget = place, max_tokens
        budget -= num_tokens
    if len(mine) > begin:
        yield _ranges(bounds[mine[begin:]], np.diff(bounds)[mine[begin:]])


def pack(features: Features, sequences: Indices, device: torch.device) -> Packed:
    """The given sequences, sorted by length, as one row on `device`."""
    lengths = features.offsets[sequences + 1] - features.offsets[sequences]
    order = np.argsort(lengths, kind="stable")
    sequences_B, lengths_B = sequences[order], lengths[order]
    bounds_B1 = np.concatenate([[0], np.cumsum(lengths_B)])
    rows_T = _ranges(features.offsets[sequences_B], lengths_B)
    sequence_T = np.repeat(np.arange(len(sequences_B)), lengths_B)
    positions_T = np.arange(bounds_B1[-1]) - bounds_B1[sequence_T]
    examples_N, example_B = np.unique(features.example[sequences_B], return_inverse=True)
    targets = _targets_of(features, examples_N, sequences_B, rows_T)
    is_by_token = features.kind in ("tagging", "mlm")

    def tensor(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array.astype(np.int64)).to(device, non_blocking=True)

    return Packed(
        token_ids_T=tensor(features.token_ids[rows_T]),
        position_ids_T=tensor(positions_T),
        segments_T=tensor(positions_T >= features.second_segment[sequences_B][sequence_T]),
        sequence_T=tensor(sequence_T),
        starts_B=tensor(bounds_B1[:-1]),
        example_B=tensor(example_B),
        option_B=tensor(sequences_B - np.searchsorted(features.example, features.example[sequences_B])),
        targets=tensor(targets),
        labelled_K=tensor(np.flatnonzero(targets != IGNORED) if is_by_token else np.empty(0)),
        runs=Runs(lengths_B=lengths_B, bounds_B1=tensor(bounds_B1).to(torch.int32)),
        rows_T=rows_T,
        sequences_B=sequences_B,
    )


def packed_attention(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    *,
    runs: Runs,
    is_one_each: bool = False,
    **_others: object,  # transformers hands over what it hands to every attention function
) -> tuple[Tensor, None]:
    """Attention of each sequence to itself: [1, H, T, E] each, to [1, T, H, E]; tokens behind the last sequence get zeros.

    With `is_one_each` queries are one a sequence, and so many are given back; there is no bias then.
    `position_bias` [1, H, L, L], added to what a softmax is taken of, is that of the longest sequence: it is a function of the distance,
    so that a shorter one's is its corner.
    """
    assert not is_one_each or position_bias is None, "a bias is that of all queries"
    if query.is_cuda and query.dtype != torch.float32 and position_bias is None:
        # what torch.nn.attention.varlen calls; that wrapper has no dropout
        bounds, longest = runs.bounds_B1, runs.longest
        of_queries, most = (torch.arange(len(bounds), dtype=torch.int32, device=bounds.device), 1) if is_one_each else (bounds, longest)
        states = (each.squeeze(0).transpose(0, 1) for each in (query, key, value))
        output_THE: Tensor = torch.ops.aten._flash_attention_forward(
            *states, of_queries, bounds, most, longest, dropout, False, False, scale=scaling
        )[0]
        return output_THE.unsqueeze(0), None
    if query.device.type == "cpu" and dropout:
        num_heads, num_queries, size = query.shape[1:]
        blocks, scale = runs.blocks(num_heads, query.dtype), size**-0.5 if scaling is None else scaling
        output_RE = dropout_attention(rows_of(query), rows_of(key), rows_of(value), blocks, dropout, scale, position_bias, is_one_each)
        return output_RE.view(1, num_queries, num_heads, size), None
    return _by_length(query, key, value, runs, position_bias, dropout, scaling, is_one_each).unsqueeze(0), None


def _by_length(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    runs: Runs,
    position_bias: Tensor | None,
    dropout: float,
    scaling: float | None,
    is_one_each: bool,
) -> Tensor:
    """As many rows [T, H, E] as there are queries."""
    equal_lengths = runs.equal_lengths
    queries = _split_by_length(query, [(number, 1) for number, _ in equal_lengths] if is_one_each else equal_lengths)
    keys, values = (_split_by_length(each, equal_lengths) for each in (key, value))
    outputs = []
    for (_, length), query_BHLE, key_BHLE, value_BHLE in zip(equal_lengths, queries, keys, values, strict=True):
        bias = None if position_bias is None else position_bias[:, :, :length, :length].to(query.dtype)
        output_BHLE = scaled_dot_product_attention(query_BHLE, key_BHLE, value_BHLE, bias, dropout_p=dropout, scale=scaling)
        outputs.append(output_BHLE.transpose(1, 2).flatten(0, 1))
    num_behind = query.shape[2] - sum(map(len, outputs))
    return torch.cat([*outputs, query.new_zeros(num_behind, query.shape[1], query.shape[3])])


def _split_by_length(states: Tensor, shapes: list[tuple[int, int]]) -> list[Tensor]:
    """[1, H, T, E] to [B, H, L, E] of each (B, L). By `split`, not by slices: the backward of a slice fills the whole row with zeros."""
    sizes = [number * length for number, length in shapes]
    pieces = states.squeeze(0).transpose(0, 1).split([*sizes, states.shape[2] - sum(sizes)])
    return [piece.unflatten(0, shape).transpose(1, 2) for piece, shape in zip(pieces, shapes, strict=False)]


AttentionInterface.register(ATTENTION, packed_attention)


def attention_kernel(device: torch.device, precision: str, has_bias: bool) -> str:
    """What `packed_attention` calls for weights and activations of this precision, with a position bias or without."""
    if device.type == "cuda" and precision != "float32" and not has_bias:
        return "flash attention of variable length"
    return f"scaled_dot_product_attention of each run of equal lengths{', with a position bias' if has_bias else ''}"


def _ranges(starts: NDArray[Any], lengths: NDArray[Any]) -> Indices:
    """`arange(start, start + length)` of each pair, end to end."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum(), dtype=np.int64)


def _sequences_of(bounds: Indices, units_U: Indices) -> Indices:
    """The sequences of the given units, whose `bounds` are as `unit_bounds` gives them."""
    return _ranges(bounds[units_U], bounds[units_U + 1] - bounds[units_U])


def _token_rows(features: Features, sequences: Indices) -> Indices:
    return _ranges(features.offsets[sequences], features.offsets[sequences + 1] - features.offsets[sequences])


def _targets_of(features: Features, examples_N: NDArray[Any], sequences: Indices, rows: Indices) -> NDArray[np.int32]:
    if not len(features.targets):
        return features.targets
    by_kind = {
        "classification": examples_N,
        "multiple_choice": examples_N,
        "text_to_text": examples_N,
        "span_qa": sequences,
        "tagging": rows,
        "mlm": rows,
    }
    return features.targets[by_kind[features.kind]]
