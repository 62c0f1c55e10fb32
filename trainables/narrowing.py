"""The last layer of an encoder, computed for those tokens alone that a head looks at, as far as nothing changes by it.

Above attention each token is treated by itself: a classifier asks for one token a sequence, a tagger for the first piece of each word.
Where it is one a sequence, no other token needs to attend to the rest either.

Legend: `T` tokens of a row, `K` of them that are asked for, `D` hidden size, `H` attention heads, `E` size of a head.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from trainables.packing import Asked, Runs, packed_attention

Attended = tuple[Tensor, Tensor | None]
"""[1, T, D] or [1, K, D], and the weights, which nobody keeps."""


def make_narrow(attention: nn.Module) -> None:
    """Has `attention`, of a layer as BERT has them, and what follows on it go on with [1, K, D] where the encoder is called with `asked`,
    which transformers hands on to all modules.

    So there is nothing to set before a call, and a layer that is computed again in the backward pass is told again.
    """
    whole: Any = attention.self
    output: Any = attention.output
    if not hasattr(output, "asked"):
        whole.forward = functools.partial(_attend, whole, whole.forward)
        output.asked = None
        attention.register_forward_pre_hook(_hand_over, with_kwargs=True)
        output.register_forward_pre_hook(_narrowed)


def _attend(
    whole: Any, forward: Callable[..., Attended], hidden: Tensor, *given: Any, asked: Asked | None = None, **named: Any
) -> Attended:
    """Self-attention: transformers' own `forward`, but where one token a sequence asks."""
    if asked is not None and asked.is_one_each:
        return _attend_once(whole, hidden, asked, named["runs"]), None
    attended, weights = forward(hidden, *given, **named)
    return _rows(attended, asked), weights


def _attend_once(whole: Any, hidden: Tensor, asked: Asked, runs: Runs) -> Tensor:
    """[1, K, D] of [1, T, D]; a head's projections are those of `whole`."""
    projected = whole.query(_rows(hidden, asked)), whole.key(hidden), whole.value(hidden)
    query, key, value = (each.unflatten(2, (-1, whole.attention_head_size)).transpose(1, 2) for each in projected)
    dropout = whole.dropout.p if whole.training else 0.0
    return packed_attention(whole, query, key, value, None, dropout, runs=runs, is_one_each=True)[0].flatten(2)


def _hand_over(attention: Any, _inputs: object, given: Mapping[str, Any]) -> None:
    attention.output.asked = given.get("asked")


def _narrowed(output: Any, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What attention gave, and what it is added to."""
    attended, added_to = inputs
    return attended, _rows(added_to, output.asked)


def _rows(states_1TD: Tensor, asked: Asked | None) -> Tensor:
    return states_1TD if asked is None else states_1TD.index_select(1, asked.rows_K)
