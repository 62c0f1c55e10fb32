"""Packing: nothing is lost, doubled or torn apart."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.toy_training import toy_features
from trainables.dropout_attention import cut_blocks, dropout_attention, rows_of
from trainables.packing import Runs, pack, packed_attention, split_units, take, unit_bounds

KINDS = ["classification", "multiple_choice", "tagging", "span_qa", "mlm"]
CPU = torch.device("cpu")


@given(st.sampled_from(KINDS), st.integers(1, 400), st.integers(1, 4), st.integers(0, 99))
def test_every_sequence_goes_to_one_rank_and_micro_batch(kind: str, max_tokens: int, num_ranks: int, seed: int) -> None:
    features = toy_features(kind, 15, seed)
    parts = [part for rank in range(num_ranks) for part in split_units(features, max_tokens, rank, num_ranks)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(features.second_segment)))
    lengths, bounds = np.diff(features.offsets), unit_bounds(features)
    for part in parts:
        assert lengths[part].sum() <= max_tokens or np.isin(bounds[:-1], part).sum() == 1
        if kind == "multiple_choice":
            examples = set(features.example[part])
            assert len(part) == np.isin(features.example, list(examples)).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_take_keeps_what_belongs_to_each_unit(kind: str) -> None:
    features = toy_features(kind)
    units, bounds = np.array([7, 3, 3, 11]), unit_bounds(features)
    taken = take(features, units)
    sequences = np.concatenate([np.arange(bounds[unit], bounds[unit + 1]) for unit in units])
    rows = np.concatenate([np.arange(features.offsets[each], features.offsets[each + 1]) for each in sequences])
    expected = {"tagging": rows, "mlm": rows, "span_qa": sequences}.get(kind, units)
    np.testing.assert_array_equal(taken.token_ids, features.token_ids[rows])
    np.testing.assert_array_equal(taken.second_segment, features.second_segment[sequences])
    np.testing.assert_array_equal(taken.targets, features.targets[expected])
    assert taken.num_examples == 4
    assert taken.example[-1] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_rows_lead_back_to_the_features(kind: str) -> None:
    features = toy_features(kind)
    packed = pack(features, np.array([5, 2, 9, 8, 30]), CPU)
    lengths = np.diff(features.offsets)[packed.sequences_B]
    assert (np.diff(lengths) >= 0).all()
    assert [length for count, length in packed.runs.equal_lengths for _ in range(count)] == lengths.tolist()
    np.testing.assert_array_equal(packed.token_ids_T, features.token_ids[packed.rows_T])
    np.testing.assert_array_equal(packed.starts_B, packed.runs.bounds_B1[:-1])
    positions = packed.rows_T - features.offsets[packed.sequences_B][packed.sequence_T]
    np.testing.assert_array_equal(packed.position_ids_T, positions)
    np.testing.assert_array_equal(packed.segments_T, positions >= features.second_segment[packed.sequences_B][packed.sequence_T])
    if kind in ("tagging", "mlm"):
        np.testing.assert_array_equal(packed.targets, features.targets[packed.rows_T])


def test_features_without_targets_can_be_packed() -> None:
    features = toy_features("mlm")._replace(kind="retrieval", targets=np.zeros(0, np.int32))
    assert len(pack(features, np.arange(40), CPU).targets) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="flash attention runs on a GPU alone")
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_flash_attention_agrees_with_groups_of_equal_length(dropout: float) -> None:
    packed = pack(toy_features("tagging"), np.arange(40), torch.device("cuda"))
    states = torch.randn(3, 1, 4, len(packed.token_ids_T), 32, device="cuda")
    precise, flash = (states.to(dtype).requires_grad_() for dtype in (torch.float32, torch.bfloat16))
    expected, found = (packed_attention(torch.nn.Identity(), *each, None, dropout, runs=packed.runs)[0] for each in (precise, flash))
    found.float().square().sum().backward()
    assert flash.grad is not None
    assert flash.grad.isfinite().all()
    if dropout == 0.0:
        torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.03)
    else:
        assert not torch.allclose(found.float(), expected, atol=0.03)


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


def test_what_attention_drops_is_made_up_for_on_average() -> None:
    runs = make_runs(LENGTHS)
    states = torch.randn(3, 1, 2, sum(LENGTHS), 8)
    expected = packed_attention(torch.nn.Identity(), *states, None, 0.0, runs=runs)[0]
    torch.manual_seed(0)
    found = torch.stack([packed_attention(torch.nn.Identity(), *states, None, 0.25, runs=runs)[0] for _ in range(2000)])
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
