"""The last layer goes on with the tokens alone that a head asks for, and nothing that is learned or said changes by it."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainables.toy_training import SHAPES, toy_features, toy_model
from trainables.family import FAMILIES
from trainables.heads import num_asked
from trainables.model import Model
from trainables.packing import pack, split_units

NARROW = [name for name in FAMILIES.names if name != "mt5"]


def loss_and_gradients(model: Model, kind: str) -> tuple[float, list[torch.Tensor]]:
    """Of all toy examples of a kind, in two micro-batches at least."""
    features = toy_features(kind)
    losses = [model(pack(features, part, model.device), SHAPES[kind].task) for part in split_units(features, len(features.token_ids) // 2)]
    sum(losses).backward()
    return float(sum(losses).detach()), [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("recomputes", [False, True])
@pytest.mark.parametrize("kind", ["classification", "multiple_choice", "tagging", "mlm", "span_qa"])
@pytest.mark.parametrize("family", NARROW)
def test_the_loss_and_all_gradients_are_those_of_the_whole_layer(family: str, kind: str, recomputes: bool, tmp_path: Path) -> None:
    """Also where activations are computed again in the backward pass."""
    narrow = toy_model(family, tmp_path, kind).eval()
    whole = copy.deepcopy(narrow)
    whole.is_narrow = False
    if recomputes:
        narrow.encoder.gradient_checkpointing_enable()
        narrow.encoder.train()
        for module in narrow.encoder.modules():
            module.training = module.training and not isinstance(module, nn.Dropout)
    (loss, gradients), (expected_loss, expected) = loss_and_gradients(narrow, kind), loss_and_gradients(whole, kind)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for found, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(found, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["classification", "multiple_choice", "tagging", "mlm"])
@pytest.mark.parametrize("family", NARROW)
def test_above_its_attention_the_last_layer_sees_what_the_head_asks_for(family: str, kind: str, tmp_path: Path) -> None:
    model, features = toy_model(family, tmp_path, kind).eval(), toy_features(kind)
    seen = []
    for layer in model.encoder.encoder.layer:
        layer.output.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].shape[1]))
    packed = pack(features, next(split_units(features, 10**6)), model.device)
    model(packed, SHAPES[kind].task)
    assert seen == [len(features.token_ids)] * (model.num_layers - 1) + [num_asked(features)]
    model.hidden(packed)
    assert seen[-1] == len(features.token_ids), "nothing is left of what was asked for before"
