"""Dropout with cheap draws: the right share, scale and gradient, and the draws of torch's generator."""

import pytest
import torch
from torch import nn

from trainables.dropout import Dropout, dropout, replace_dropouts


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_as_many_are_dropped_as_asked_and_the_mean_stays(probability: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.ones(1001, 1003, dtype=dtype).requires_grad_()
    found = dropout(values, probability)
    found.float().sum().backward()
    assert (found == 0).float().mean().item() == pytest.approx(probability, abs=0.002)
    assert found[found != 0].unique().tolist() == [torch.tensor(1.0).to(dtype).div(1 - probability).item()]
    assert values.grad is not None
    torch.testing.assert_close(values.grad, found.detach())


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(1_000_000), 0.3) != 0).float() - 0.7
    for distance in (1, 2, 3, 4, 8):
        assert abs((kept[distance:] * kept[:-distance]).mean().item()) < 4 * 0.21 / 1000


def test_draws_are_those_of_torchs_generator() -> None:
    values = torch.ones(50)
    found = [(torch.manual_seed(seed), dropout(values, 0.5))[1] for seed in (1, 1, 2)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_every_dropout_of_an_encoder_is_replaced_and_none_works_in_evaluation() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.4)), nn.Dropout(0.2))
    replace_dropouts(module)
    assert [child.p for child in module.modules() if isinstance(child, Dropout)] == [0.4, 0.2]
    assert not any(type(child) is nn.Dropout for child in module.modules())
    values = torch.ones(5, 2)
    assert torch.equal(module.eval()[1](values), values)
