"""Dropout whose draws cost little on a CPU: four of them from each 64-bit number of torch's generator.

torch draws a number for each element, which takes a quarter of the time of a small model's step on long sequences. A probability is
kept to a part in 65,536.
"""

import torch
from torch import Tensor, nn

_VALUES = 2**16
"""Of a draw."""


def dropout(values: Tensor, probability: float) -> Tensor:
    """`torch.nn.functional.dropout` in training, with other draws on a CPU."""
    if values.device.type != "cpu" or not 0 < probability < 1:
        return torch.dropout(values, probability, True)
    return values * kept_by_dropout(values, probability).mul_(1 / (1 - probability))


def kept_by_dropout(values: Tensor, probability: float) -> Tensor:
    """1 where a value is kept and 0 where it is dropped, in the shape and type of the values, which are on a CPU."""
    num = values.numel()
    draws = torch.empty((num + 3) // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:num].view(values.shape)
    # compared straight into the type of the values: to go through truth values takes five times as long
    is_kept = torch.empty_like(values, memory_format=torch.contiguous_format)
    return torch.ge(draws, round(probability * _VALUES) - _VALUES // 2, out=is_kept)


class Dropout(nn.Dropout):
    """`nn.Dropout` by the function above."""

    def forward(self, values: Tensor) -> Tensor:
        return dropout(values, self.p) if self.training else values


def replace_dropouts(module: nn.Module) -> None:
    """Gives `module` this dropout wherever it has torch's."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p))
