"""Floating-point operations of a training step, counted from shapes: matrix products of the encoder's layers, two a weight and token.

Embeddings, heads, norms and the optimizer are left out: but for a head over a large vocabulary they are under a percent.
"""

from typing import NamedTuple

from trainables.layers import Rule

ONE_EACH = frozenset({"classification", "multiple_choice"})
"""Kinds of tasks whose heads ask for one token of each sequence, where one stands for all."""


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
    """Whether nothing is computed that nobody asks for: of the last layer, all that tokens need which no head looks at
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
    shape: EncoderShape,
    rule: Rule,
    num_tokens: float,
    sum_of_squared_lengths: float,
    num_asked: float,
    is_one_each: bool = False,
    num_kept_layers: int = 0,
) -> float:
    """Forward through all layers but those whose outputs are kept, backward through those at or above the lowest trained depth.

    `sum_of_squared_lengths` is over the sequences, each of which attends to itself alone; for `num_asked` of the tokens a head asks, and
    with `is_one_each` they are one a sequence.
    A layer costs as much again for the gradients of its inputs, and once more for those of its weights where these are trained. Below
    the lowest trained layer nothing asks for gradients: its queries, keys and values pass none on.
    """
    whole = _Products(*_products(shape, num_tokens, sum_of_squared_lengths), 2 * _adapter(shape, rule) * num_tokens)
    spared = _spared(shape, rule, num_tokens - num_asked, sum_of_squared_lengths - num_tokens, is_one_each)
    num_forward, num_backward = shape.num_layers - num_kept_layers, shape.num_layers + 1 - max(rule.lowest_depth, 1)
    forward = num_forward * sum(whole) - (sum(spared) if num_forward else 0.0)
    backward = num_backward * whole.backward(rule) - (spared.backward(rule) if num_backward else 0.0)
    if num_backward > 0 and rule.lowest_depth > 0 and not (shape.is_prenorm and rule.parts == "all"):
        num_queries = num_asked if num_backward == 1 and shape.is_narrow and is_one_each else num_tokens
        backward -= 2.0 * shape.hidden_size * shape.width * (2 * num_tokens + num_queries)
    return forward + backward


class _Products(NamedTuple):
    """Of a layer, forward."""

    weights: float
    attention: float
    """Of queries with keys and of scores with values."""
    adapters: float

    def backward(self, rule: Rule) -> float:
        return self.weights * (2 if rule.parts == "all" else 1) + 2 * self.attention + 2 * self.adapters


def _spared(shape: EncoderShape, rule: Rule, num_tokens: float, num_scores: float, is_one_each: bool) -> _Products:
    """What the last layer leaves out for tokens that no head asks for, and, where these ask nothing either, of scores."""
    if not shape.is_narrow:
        return _Products(0.0, 0.0, 0.0)
    above = 2.0 * shape.weights_above_attention * num_tokens
    if not is_one_each:
        return _Products(above, 0.0, 0.0)
    queries = 2.0 * shape.hidden_size * shape.width * num_tokens
    return _Products(above + queries, 4.0 * shape.width * num_scores, _adapter(shape, rule) * num_tokens)


def _adapter(shape: EncoderShape, rule: Rule) -> float:
    """Of one token, forward; a layer has two."""
    return 2.0 * rule.adapter_rank * (shape.hidden_size + shape.width)


def layer_flops(shape: EncoderShape, num_tokens: float, sum_of_squared_lengths: float) -> float:
    """Forward through one layer."""
    return sum(_products(shape, num_tokens, sum_of_squared_lengths))


def _products(shape: EncoderShape, num_tokens: float, sum_of_squared_lengths: float) -> tuple[float, float]:
    """Of one layer: with its weights, and of queries with keys and of scores with values."""
    return 2.0 * shape.layer_weights * num_tokens, 4.0 * shape.width * sum_of_squared_lengths
