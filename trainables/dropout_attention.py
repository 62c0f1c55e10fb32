"""Attention with dropout of packed sequences to themselves, on a CPU.

torch has no kernel for it there. Run length by run length it takes some forty small operations for each of twenty lengths and layer, which
cost more than what they compute. Here sequences of about one length are padded to a block, whose forward and backward take a dozen each.

Legend: `T` tokens, `H` attention heads, `E` size of a head, `R` = T * H rows of E numbers, token by token (of queries that are one a
sequence, sequence by sequence); of a block: `B` sequences, `L` its length, `P` = B * H * L places.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.dropout import kept_by_dropout

_SCORES_OF_A_BLOCK = 80_000
"""As many scores are computed in about the time that one more block takes."""
_ROUND_SEQUENCES, _ROUND_LENGTH = 2, 16
"""What a block's shape is a multiple of: a product of a shape not seen before is compiled, which takes longer than the product."""


class Block(NamedTuple):
    """Sequences of about one length, which lie one after another in the row of tokens."""

    num_sequences: int
    length: int
    """What they are padded to."""
    begin: int
    """Its rows are `begin` to `end`."""
    end: int
    asking: slice
    """Its rows among those of queries where these are one a sequence."""
    row_P: Tensor
    """The row that goes to each place; to those beyond a sequence's end go its last token's."""
    place_R: Tensor
    """Where each of the block's rows went."""
    mask: Tensor | None
    """[B * H, 1, L], added to scores: 0, and minus infinity for keys beyond a sequence's end; None if there are none."""


def cut_blocks(lengths_B: NDArray[np.int64], num_heads: int, dtype: torch.dtype) -> tuple[Block, ...]:
    """Cuts sequences, in order of length, to blocks that take the least time, as far as operations and scores can tell."""
    ends_B = np.cumsum(lengths_B)
    return tuple(
        _block(lengths_B[first:end], first, int(ends_B[first] - lengths_B[first]), length, num_heads, dtype)
        for first, end, length in _best_cut(lengths_B, num_heads)
    )


def _best_cut(lengths_B: NDArray[np.int64], num_heads: int) -> list[tuple[int, int, int]]:
    """(first sequence, the one after the last, length) of each block, by dynamic programming over the ends of blocks."""
    ends = [*range(_ROUND_SEQUENCES, len(lengths_B), _ROUND_SEQUENCES), len(lengths_B)]
    starts = np.array([0, *ends])
    lengths = [min(-int(-lengths_B[end - 1] // _ROUND_LENGTH) * _ROUND_LENGTH, int(lengths_B[-1])) for end in ends]
    costs, last_starts = np.zeros(len(starts)), np.zeros(len(starts), dtype=int)
    for place, (end, length) in enumerate(zip(ends, lengths, strict=True), start=1):
        candidates = costs[:place] + _SCORES_OF_A_BLOCK + (end - starts[:place]) * float(num_heads * length**2)
        last_starts[place] = candidates.argmin()
        costs[place] = candidates.min()
    cut, place = [], len(ends)
    while place:
        cut.append((int(starts[last_starts[place]]), ends[place - 1], lengths[place - 1]))
        place = int(last_starts[place])
    return cut[::-1]


def _block(lengths_B: NDArray[np.int64], first: int, first_token: int, length: int, num_heads: int, dtype: torch.dtype) -> Block:
    lengths = torch.from_numpy(lengths_B)
    starts = first_token + lengths.cumsum(0) - lengths
    heads_H, offsets_L = torch.arange(num_heads), torch.arange(length)
    token_BL = starts[:, None] + offsets_L.minimum(lengths[:, None] - 1)
    is_inside_BL = offsets_L < lengths[:, None]
    place_BL = torch.arange(len(lengths))[:, None] * (num_heads * length) + offsets_L
    mask_BL = torch.zeros(is_inside_BL.shape, dtype=dtype).masked_fill(~is_inside_BL, -torch.inf)
    return Block(
        len(lengths_B),
        length,
        first_token * num_heads,
        (first_token + int(lengths_B.sum())) * num_heads,
        slice(first * num_heads, (first + len(lengths_B)) * num_heads),
        (token_BL[:, None, :] * num_heads + heads_H[:, None]).flatten(),
        (place_BL[is_inside_BL][:, None] + heads_H * length).flatten(),
        None if is_inside_BL.all() else mask_BL.repeat_interleave(num_heads, 0)[:, None],
    )


def dropout_attention(
    query_RE: Tensor,
    key_RE: Tensor,
    value_RE: Tensor,
    blocks: tuple[Block, ...],
    dropout: float,
    scaling: float,
    bias: Tensor | None,
    is_one_each: bool = False,
) -> Tensor:
    """[R, E], a row a query; those that lie in no block are 0. `bias` [1, H, longest, longest] is added to what a softmax is taken of. With
    `is_one_each` queries are one a sequence, B * H rows."""
    attended: Tensor = _DropoutAttention.apply(query_RE, key_RE, value_RE, bias, blocks, dropout, scaling, is_one_each)
    return attended


class _DropoutAttention(torch.autograd.Function):
    """Its backward by hand: what autograd would record are twice as many operations, on tensors that this one need not keep."""

    @staticmethod
    def forward(
        context: Any,
        query_RE: Tensor,
        key_RE: Tensor,
        value_RE: Tensor,
        bias: Tensor | None,
        blocks: tuple[Block, ...],
        dropout: float,
        scaling: float,
        is_one_each: bool,
    ) -> Tensor:
        output_RE, kept = _to_fill(query_RE, len(query_RE), blocks, is_one_each), []
        with torch.autocast("cpu", enabled=False):  # it would take the softmax, and all that follows, in float32
            for block in blocks:
                query = _asking(query_RE, block) if is_one_each else _gathered(query_RE, block)
                key, value = _gathered(key_RE, block), _gathered(value_RE, block)
                weights = torch.softmax(_scores(query, key, bias, block, scaling), dim=-1)
                is_kept = kept_by_dropout(weights, dropout)
                _put(_product(weights * is_kept, value, 1 / (1 - dropout)), block, output_RE, is_one_each)
                kept += [query, key, value, weights, is_kept]
        context.save_for_backward(*kept)
        context.blocks, context.dropout, context.scaling, context.is_one_each = blocks, dropout, scaling, is_one_each
        context.num_keys = len(key_RE)
        context.bias = None if bias is None or not bias.requires_grad else (bias.shape, bias.dtype)
        return output_RE

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient_RE, is_one_each = gradients[0].contiguous(), context.is_one_each
        of_queries = _to_fill(gradient_RE, len(gradient_RE), context.blocks, is_one_each)
        of_keys, of_values = (_to_fill(gradient_RE, context.num_keys, context.blocks) for _ in range(2))
        of_bias = None if context.bias is None else torch.zeros(context.bias[0], dtype=context.bias[1])
        to_kept = 1 / (1 - context.dropout)
        kept = iter(context.saved_tensors)
        for block, query, key, value, weights, is_kept in zip(context.blocks, kept, kept, kept, kept, kept, strict=False):
            gradient = _asking(gradient_RE, block) if is_one_each else _gathered_gradient(gradient_RE, block)
            of_value = _product((weights * is_kept).transpose(1, 2), gradient, to_kept)
            of_weights = _product(gradient, value.transpose(1, 2), to_kept).mul_(is_kept)
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            _put(_product(of_scores, key, context.scaling), block, of_queries, is_one_each)
            _put(_product(of_scores.transpose(1, 2), query, context.scaling), block, of_keys)
            _put(of_value, block, of_values)
            if of_bias is not None:
                length = block.length
                of_bias[0, :, :length, :length] += of_scores.unflatten(0, (block.num_sequences, -1)).sum(0)
        return of_queries, of_keys, of_values, of_bias, None, None, None, None


def _scores(query: Tensor, key: Tensor, bias: Tensor | None, block: Block, scaling: float) -> Tensor:
    """[B * H, L, L], or [B * H, 1, L] of one query a sequence, masked."""
    if block.mask is None:
        scores = _product(query, key.transpose(1, 2), scaling)
    else:
        scores = torch.baddbmm(block.mask, query, key.transpose(1, 2), alpha=scaling)
    if bias is not None:
        scores.unflatten(0, (block.num_sequences, -1)).add_(bias[:, :, : block.length, : block.length].to(scores.dtype))
    return scores


def _product(left: Tensor, right: Tensor, scale: float) -> Tensor:
    """`scale * left @ right`, batch by batch, in one operation."""
    return torch.baddbmm(left.new_empty(1, 1, 1), left, right, beta=0, alpha=scale)


def _gathered(rows_RE: Tensor, block: Block) -> Tensor:
    """[B * H, L, E]"""
    return rows_RE.index_select(0, block.row_P).unflatten(0, (-1, block.length))


def _asking(rows_RE: Tensor, block: Block) -> Tensor:
    """[B * H, 1, E], of one query a sequence."""
    return rows_RE[block.asking].unsqueeze(1)


def _gathered_gradient(gradient_RE: Tensor, block: Block) -> Tensor:
    """[B * H, L, E], 0 beyond the ends of sequences: what was computed there was thrown away."""
    padded = gradient_RE.new_zeros(len(block.row_P), gradient_RE.shape[1])
    return padded.index_copy_(0, block.place_R, gradient_RE[block.begin : block.end]).unflatten(0, (-1, block.length))


def _to_fill(like_RE: Tensor, num_rows: int, blocks: tuple[Block, ...], is_one_each: bool = False) -> Tensor:
    """Room for so many rows, 0 behind those of all blocks."""
    rows_RE = like_RE.new_empty(num_rows, like_RE.shape[1])
    rows_RE[blocks[-1].asking.stop if is_one_each else blocks[-1].end :] = 0
    return rows_RE


def _put(values: Tensor, block: Block, rows_RE: Tensor, is_one_each: bool = False) -> None:
    """Puts back what `_gathered` or `_asking` gave, to where its rows came from."""
    if is_one_each:
        rows_RE[block.asking] = values.squeeze(1)
    else:
        torch.index_select(values.flatten(0, 1), 0, block.place_R, out=rows_RE[block.begin : block.end])


def rows_of(states: Tensor) -> Tensor:
    """[1, H, T, E] to [R, E]."""
    return states.squeeze(0).transpose(0, 1).flatten(0, 1)
