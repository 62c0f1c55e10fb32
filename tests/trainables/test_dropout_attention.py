"""Attention with dropout in padded blocks: what attention run length by run length gives, and its gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.dropout_attention import cut_blocks, dropout_attention, rows_of
from trainables.packing import Runs, packed_attention

LENGTHS = [3, 3, 4, 9, 9, 9, 17, 30, 31, 33, 64, 65, 200]


@pytest.mark.parametrize("has_bias", [False, True])
def test_attention_with_dropout_is_attention_that_forgets_nothing_when_none_is_dropped(has_bias: bool) -> None:
    """In blocks, with a backward of its own, where a few tokens lie behind all sequences."""
    runs = make_runs(LENGTHS)
    states = torch.randn(3, 1, 2, sum(LENGTHS) + 5, 8, dtype=torch.float64)
    given = [each.clone().requires_grad_() for each in states]
    bias = torch.randn(1, 2, max(LENGTHS), max(LENGTHS), dtype=torch.float64, requires_grad=True) if has_bias else None
    leaves = [*given, bias] if bias is not None else given
    expected = packed_attention(torch.nn.Identity(), *given, None, 0.0, 0.3, bias, runs=runs)[0]
    rows = [rows_of(each) for each in given]
    found = dropout_attention(rows[0], rows[1], rows[2], runs.blocks(2, torch.float64), 0.0, 0.3, bias).view_as(expected)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(expected)
    torch.testing.assert_close(torch.autograd.grad(found, leaves, upstream), torch.autograd.grad(expected, leaves, upstream))
    assert not found[0, sum(LENGTHS) :].any()


@pytest.mark.parametrize("dropout", [0.0, 1e-9])
def test_one_query_a_sequence_attends_as_it_does_among_all(dropout: float) -> None:
    """The first token of each sequence, by length and in blocks, where next to nothing is dropped; a few queries lie behind all."""
    runs = make_runs(LENGTHS)
    states = torch.randn(3, 1, 2, sum(LENGTHS) + 5, 8, dtype=torch.float64)
    leaves = [each.clone().requires_grad_() for each in states]
    rows_K = torch.cat([runs.bounds_B1[:-1].long(), torch.full((3,), sum(LENGTHS))])
    expected = packed_attention(torch.nn.Identity(), *leaves, None, 0.0, 0.3, runs=runs)[0].index_select(1, rows_K)
    query, key, value = leaves[0].index_select(2, rows_K), *leaves[1:]
    found = packed_attention(torch.nn.Identity(), query, key, value, None, dropout, 0.3, runs=runs, is_one_each=True)[0]
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(expected)
    torch.testing.assert_close(torch.autograd.grad(found, leaves, upstream), torch.autograd.grad(expected, leaves, upstream))
    assert not found[0, len(LENGTHS) :].any()


@pytest.mark.parametrize("is_one_each", [False, True])
def test_what_attention_drops_is_made_up_for_on_average(is_one_each: bool) -> None:
    runs = make_runs(LENGTHS)
    query, key, value = torch.randn(3, 1, 2, sum(LENGTHS), 8)
    query = query[:, :, : len(LENGTHS)] if is_one_each else query

    def attended(dropout: float) -> torch.Tensor:
        return packed_attention(torch.nn.Identity(), query, key, value, None, dropout, runs=runs, is_one_each=is_one_each)[0]

    expected = attended(0.0)
    torch.manual_seed(0)
    found = torch.stack([attended(0.25) for _ in range(2000)])
    error = found.std(0) / len(found) ** 0.5
    assert (found.std(0)[:, :100] > 0).all()
    assert ((found.mean(0) - expected).abs() < 6 * error).all()


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 16))
def test_blocks_hold_every_row_once_and_little_else(lengths: list[int], num_heads: int) -> None:
    lengths_B = np.sort(np.array(lengths, dtype=np.int64))
    blocks = cut_blocks(lengths_B, num_heads, torch.float32)
    assert [block.begin for block in blocks[1:]] == [block.end for block in blocks[:-1]]
    assert (blocks[0].begin, blocks[-1].end) == (0, lengths_B.sum() * num_heads)
    for block in blocks:
        rows = block.row_P[block.place_R]
        torch.testing.assert_close(rows, torch.arange(block.begin, block.end))
    one_block = len(lengths) * num_heads * int(lengths_B[-1]) ** 2
    assert sum(len(block.row_P) * block.length for block in blocks) <= one_block


def make_runs(lengths: list[int]) -> Runs:
    return Runs(lengths_B=np.array(lengths, dtype=np.int64), bounds_B1=torch.tensor([0, *lengths]).cumsum(0).to(torch.int32))
