"""Floating-point operations of a training step, counted from shapes: matrix products of the encoder's layers, two a weight and token.

Embeddings, heads, norms and the optimizer are left out: but for a head over a large vocabulary they are under a percent.
"""

from typing import NamedTuple

from trainables.layers import Rule


class EncoderShape(NamedTuple):
    """What the count depends on."""

    num_layers: int
    hidden_size: int
    intermediate_size: int
    is_prenorm: bool = False
    """Whether a layer is normalised before its attention, so that its own norm asks for the gradients of queries, keys and values."""


def step_flops(shape: EncoderShape, rule: Rule, num_tokens: float, sum_of_squared_lengths: float) -> float:
    """Forward through all layers, backward through those at or above the lowest trained depth.

    `sum_of_squared_lengths` is over the sequences, each of which attends to itself alone. A layer costs as much again for the
    gradients of its inputs, and once more for those of its weights where these are trained. Below the lowest trained layer nothing
    asks for gradients: its queries, keys and values pass none on.
    """
    weights = 4 * shape.hidden_size**2 + 2 * shape.hidden_size * shape.intermediate_size
    linear = 2.0 * weights * num_tokens
    attention = 4.0 * shape.hidden_size * sum_of_squared_lengths
    num_backward = shape.num_layers + 1 - max(rule.lowest_depth, 1)
    adapters = 8.0 * rule.adapter_rank * shape.hidden_size * num_tokens  # two of them, of two matrices each
    forward = shape.num_layers * (linear + attention + adapters)
    backward = num_backward * (linear + 2 * attention + 2 * adapters + (linear if rule.parts == "all" else 0.0))
    is_bottom = num_backward > 0 and rule.lowest_depth > 0 and not (shape.is_prenorm and rule.parts == "all")
    return forward + backward - (6.0 * shape.hidden_size**2 * num_tokens if is_bottom else 0.0)
