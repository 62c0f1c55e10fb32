"""Packing: nothing is lost, doubled or torn apart."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.toy_training import toy_features
from trainables.packing import pack, packed_attention, split_units, take, unit_bounds

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
@pytest.mark.parametrize("is_one_each", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_flash_attention_agrees_with_groups_of_equal_length(dropout: float, is_one_each: bool) -> None:
    packed = pack(toy_features("tagging"), np.arange(40), torch.device("cuda"))
    states = torch.randn(3, 1, 4, len(packed.token_ids_T), 32, device="cuda")
    precise, flash = (states.to(dtype).requires_grad_() for dtype in (torch.float32, torch.bfloat16))

    def attended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        asking = query.index_select(2, packed.starts_B) if is_one_each else query
        return packed_attention(torch.nn.Identity(), asking, key, value, None, dropout, runs=packed.runs, is_one_each=is_one_each)[0]

    expected, found = attended(*precise), attended(*flash)
    found.float().square().sum().backward()
    assert flash.grad is not None
    assert flash.grad.isfinite().all()
    if dropout == 0.0:
        torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.03)
    else:
        assert not torch.allclose(found.float(), expected, atol=0.03)
