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
    is_gated: bool = False
    """Whether the feed-forward part has a third matrix, whose products gate those of the first."""
    attention_size: int | None = None
    """Of queries, keys and values, over all attention heads; None where it is the hidden size."""
    is_narrow: bool = True
    """Whether nothing is computed that nobody asks for: above the last layer's attention all tokens but those that a head looks at
    (`trainables.narrowing`), and the layers above the one whose states are wanted."""

    @property
    def layer_weights(self) -> int:
        """Of the matrices of one layer."""
        return 3 * self.hidden_size * self.width + self.weights_above_attention

    @property
    def weights_above_attention(self) -> int:
        """The part of these that each token is multiplied by for itself, after it has attended to the others."""
        return self.hidden_size * self.width + (3 if self.is_gated else 2) * self.hidden_size * self.intermediate_size

    @property
    def width(self) -> int:
        """Of queries, keys and values."""
        return self.attention_size or self.hidden_size


def step_flops(
    shape: EncoderShape, rule: Rule, num_tokens: float, sum_of_squared_lengths: float, num_wanted: float, num_kept_layers: int = 0
) -> float:
    """Forward through all layers but those whose outputs are kept, backward through those at or above the lowest trained depth.

    `sum_of_squared_lengths` is over the sequences, each of which attends to itself alone; `num_wanted` of the tokens a head asks for.
    A layer costs as much again for the gradients of its inputs, and once more for those of its weights where these are trained. Below
    the lowest trained layer nothing asks for gradients: its queries, keys and values pass none on.
    """
    linear, attention = _products(shape, num_tokens, sum_of_squared_lengths)
    num_backward = shape.num_layers + 1 - max(rule.lowest_depth, 1)
    adapters = 4.0 * rule.adapter_rank * (shape.hidden_size + shape.width) * num_tokens  # two of them, of two matrices each
    forward = (shape.num_layers - num_kept_layers) * (linear + attention + adapters)
    backward = num_backward * (linear + 2 * attention + 2 * adapters + (linear if rule.parts == "all" else 0.0))
    is_bottom = num_backward > 0 and rule.lowest_depth > 0 and not (shape.is_prenorm and rule.parts == "all")
    spared = 2.0 * shape.weights_above_attention * (num_tokens - num_wanted) if shape.is_narrow else 0.0
    num_spared = (num_kept_layers < shape.num_layers) + (num_backward > 0) * (2 if rule.parts == "all" else 1)
    return forward + backward - num_spared * spared - (6.0 * shape.hidden_size * shape.width * num_tokens if is_bottom else 0.0)


def layer_flops(shape: EncoderShape, num_tokens: float, sum_of_squared_lengths: float) -> float:
    """Forward through one layer."""
    return sum(_products(shape, num_tokens, sum_of_squared_lengths))


def _products(shape: EncoderShape, num_tokens: float, sum_of_squared_lengths: float) -> tuple[float, float]:
    """Of one layer: with its weights, and of queries with keys and of scores with values."""
    return 2.0 * shape.layer_weights * num_tokens, 4.0 * shape.width * sum_of_squared_lengths
