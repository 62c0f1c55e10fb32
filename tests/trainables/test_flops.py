"""The operations counted from shapes are those that torch counts while a real training step runs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.trainables.toy_training import SHAPES, toy_features, toy_model
from trainables.family import FAMILIES
from trainables.flops import ONE_EACH, EncoderShape, step_flops
from trainables.heads import num_asked
from trainables.layers import Rule, rule_of
from trainables.packing import pack


@pytest.mark.parametrize("layers_trained", ["all", "no_embeddings", "bias_norm", "top_1", "frozen_1", "head", "lora_4"])
@pytest.mark.parametrize("kind", ["classification", "tagging"])
@pytest.mark.parametrize("family", FAMILIES.names)
def test_counted_operations_are_those_that_run(family: str, kind: str, layers_trained: str, tmp_path: Path) -> None:
    model = toy_model(family, tmp_path, kind, hidden_size=64, intermediate_size=160, num_layers=3)
    rule = rule_of(layers_trained, model.num_layers)
    if rule.adapter_rank:
        model.add_adapters(rule.adapter_rank)
    model.freeze(rule)
    features = toy_features(kind)
    lengths = np.diff(features.offsets)
    # torch counts attention where it is made of matrix products
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(pack(features, np.arange(len(lengths)), torch.device("cpu")), SHAPES[kind].task).backward()
    # beside the encoder there is a small head
    counted = step_flops(model.shape, rule, int(lengths.sum()), int((lengths**2).sum()), num_asked(features), kind in ONE_EACH)
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_attention_costs_the_square_of_the_length() -> None:
    """Two products forward and four backward, each of 2 x length x length x hidden size operations."""
    shape, everything = EncoderShape(num_layers=2, hidden_size=8, intermediate_size=16), Rule(0)
    with_attention, without = step_flops(shape, everything, 30, 20**2 + 10**2, 2), step_flops(shape, everything, 30, 0, 2)
    assert with_attention - without == 2 * 6 * 2 * (20**2 + 10**2) * 8
