"""Which layers a training changes, how fast each one learns, and when it begins to: by depth, without torch.

Depth 0 is the embeddings, 1 to `num_layers` the layers from the bottom, `num_layers + 1` the heads, which every training changes; the
decoder of a text-to-text model is one of them.
"""

import re
from typing import Literal, NamedTuple

PATTERN = r"all|head|no_embeddings|bias_norm|top_[1-9]\d*|frozen_[1-9]\d*|lora_[1-9]\d*"
"""Beside the heads: everything; nothing; all but the embeddings; the biases and layer norms of all layers (Ben Zaken et al. 2022 train
the biases); the last K layers; all but the embeddings and the first K layers; low-rank adapters of rank K beside the queries and
values of every layer (Hu et al. 2022), which are added into the weights at the end."""

_LEAST_VISITS = 2
_MOST_KEPT_BYTES = 16 * 2**30
_BYTES_PER_STATE = 4
_LAYER_NUMBER = re.compile(r"\.(?:layer|block)\.(\d+)\.")
"""T5 calls layers blocks, and the parts of one layers."""
_LAST_NORM = "encoder.encoder."
"""Where a parameter that belongs to no layer of the encoder's stack lies: the norm after the last layer, which XLM-R XL and mT5 have."""


class Rule(NamedTuple):
    """What is trained beside the heads."""

    lowest_depth: int
    parts: Literal["all", "bias_norm", "adapters"] = "all"
    """What of these depths."""
    adapter_rank: int = 0

    @property
    def has_embeddings(self) -> bool:
        """Whether the embeddings of tokens are trained."""
        return self.lowest_depth == 0 and self.parts == "all"

    @property
    def num_frozen_layers(self) -> int:
        """How many layers from the bottom nothing is trained in, the embeddings below them included."""
        return max(0, self.lowest_depth - 1) if self.parts == "all" else 0


def rule_of(layers_trained: str, num_layers: int) -> Rule:
    """What `layers_trained` means for an encoder; a ValueError if it names more layers than there are."""
    word, _, digits = layers_trained.rpartition("_")
    number = int(digits) if digits.isdigit() else 0
    if word in ("top", "frozen") and number > num_layers:
        raise ValueError(f"layers_trained is {layers_trained!r}, but the encoder has {num_layers} layers")
    match word if number else layers_trained:
        case "top":
            return Rule(num_layers + 1 - number)
        case "frozen":
            return Rule(number + 1)
        case "lora":
            return Rule(1, "adapters", number)
        case "head":
            return Rule(num_layers + 1)
        case "no_embeddings":
            return Rule(1)
        case "bias_norm":
            return Rule(0, "bias_norm")
        case _:
            return Rule(0)


def num_kept_layers(rule: Rule, num_tokens: float, hidden_size: int, num_visits: float) -> int:
    """Of the frozen layers, how many are computed once for all visits of an example, rather than at each: all or none.

    None where an example is seldom seen twice, or where the states [T, D] of so many tokens would fill a disk.
    """
    pays = num_visits >= _LEAST_VISITS and num_tokens * hidden_size * _BYTES_PER_STATE <= _MOST_KEPT_BYTES
    return rule.num_frozen_layers if pays else 0


def depth_of(name: str, num_layers: int) -> int:
    """The depth of a parameter of a `Model`, by its name."""
    if name.startswith(("heads.", "decoder.")):
        return num_layers + 1
    if (layer := _LAYER_NUMBER.search(name)) is not None:
        return int(layer[1]) + 1
    return num_layers if name.startswith(_LAST_NORM) and "embed" not in name else 0


def is_trained(name: str, rule: Rule, num_layers: int) -> bool:
    """Whether the rule lets a parameter of a `Model` change."""
    depth = depth_of(name, num_layers)
    if depth == num_layers + 1:
        return True
    match rule.parts:
        case "adapters":
            is_part = "lora_" in name
        case "bias_norm":
            is_part = name.endswith(".bias") or "LayerNorm" in name or "layer_norm" in name
        case "all":
            is_part = True
    return depth >= rule.lowest_depth and is_part


def learning_rate_scale(depth: int, layer_decay: float, num_layers: int) -> float:
    """1 for the heads and the last layer, and `layer_decay` times less for each layer below (Sun et al. 2019, section 5.3.3)."""
    return layer_decay ** max(num_layers - depth, 0)


def thawed(rule: Rule, step: int, num_steps: int, num_layers: int) -> Rule:
    """What gradual unfreezing trains at a step (Howard and Ruder 2018, section 3.3): the heads alone at first, then one depth more from
    the top at equal intervals, until half of the steps are done."""
    num_depths = num_layers + 1 - rule.lowest_depth
    num_thawed = min(num_depths, num_depths * 2 * step // num_steps)
    return rule._replace(lowest_depth=num_layers + 1 - num_thawed)
