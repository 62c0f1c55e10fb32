"""Which layers a training changes, how fast each one learns, and when it begins to: by depth, without torch.

Depth 0 is the embeddings, 1 to `num_layers` the layers from the bottom, `num_layers + 1` the heads, which every training changes.
"""

import re
from typing import NamedTuple

PATTERN = r"all|head|no_embeddings|bias_norm|top_[1-9]\d*|frozen_[1-9]\d*"
"""Beside the heads: everything; nothing; all but the embeddings; the biases and layer norms of all layers (Ben Zaken et al. 2022 train
the biases); the last K layers; all but the embeddings and the first K layers."""

_LAYER_NUMBER = re.compile(r"\.layer\.(\d+)\.")


class Rule(NamedTuple):
    """What is trained beside the heads."""

    lowest_depth: int
    is_bias_norm: bool
    """Of these depths, the biases and layer norms alone."""


def rule_of(layers_trained: str, num_layers: int) -> Rule:
    """What `layers_trained` means for an encoder; a ValueError if it names more layers than there are."""
    word, _, number = layers_trained.rpartition("_")
    if number.isdigit() and int(number) > num_layers:
        raise ValueError(f"layers_trained is {layers_trained!r}, but the encoder has {num_layers} layers")
    match word if number.isdigit() else layers_trained:
        case "top":
            return Rule(num_layers + 1 - int(number), is_bias_norm=False)
        case "frozen":
            return Rule(int(number) + 1, is_bias_norm=False)
        case "head":
            return Rule(num_layers + 1, is_bias_norm=False)
        case "no_embeddings":
            return Rule(1, is_bias_norm=False)
        case "bias_norm":
            return Rule(0, is_bias_norm=True)
        case _:
            return Rule(0, is_bias_norm=False)


def depth_of(name: str, num_layers: int) -> int:
    """The depth of a parameter of a `Model`, by its name."""
    if name.startswith("heads."):
        return num_layers + 1
    layer = _LAYER_NUMBER.search(name)
    return int(layer[1]) + 1 if layer is not None else 0


def is_trained(name: str, rule: Rule, num_layers: int) -> bool:
    """Whether the rule lets a parameter change."""
    depth = depth_of(name, num_layers)
    is_small = name.endswith(".bias") or "LayerNorm" in name
    return depth == num_layers + 1 or (depth >= rule.lowest_depth and (is_small or not rule.is_bias_norm))


def learning_rate_scale(depth: int, layer_decay: float, num_layers: int) -> float:
    """1 for the heads and the last layer, and `layer_decay` times less for each layer below (Sun et al. 2019, section 5.3.3)."""
    return layer_decay ** max(num_layers - depth, 0)


def thawed(rule: Rule, step: int, num_steps: int, num_layers: int) -> Rule:
    """What gradual unfreezing trains at a step (Howard and Ruder 2018, section 3.3): the heads alone at first, then one depth more from
    the top at equal intervals, until half of the steps are done."""
    num_depths = num_layers + 1 - rule.lowest_depth
    num_thawed = min(num_depths, num_depths * 2 * step // num_steps)
    return rule._replace(lowest_depth=num_layers + 1 - num_thawed)
