"""The last layer of an encoder, computed for those tokens alone that a head looks at, as far as nothing changes by it.

Above attention each token is treated by itself: a classifier asks for one token a sequence, a tagger for the first piece of each word.
Where it is one a sequence, no other token needs to attend to the rest either.

Legend: `T` tokens of a row, `K` of them that are asked for, `D` hidden size.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from trainables.packing import Asked, Runs, packed_attention


def make_narrow(attention: nn.Module) -> None:
    """Has `attention`, of a layer as BERT has them, and what follows on it go on with [1, K, D] where the encoder is called with `asked`,
    which transformers hands on to all modules.

    So there is nothing to set before a call, and a layer that is computed again in the backward pass is told again.
    """
    output: Any = attention.output
    if not hasattr(output, "asked"):
        own: Any = attention.self
        own.__class__ = _narrow_class(type(own))  # not another module: what is put beside its projections later lies in this one
        output.asked = None
        attention.register_forward_pre_hook(_hand_over, with_kwargs=True)
        output.register_forward_pre_hook(_narrowed)


def _narrow_class(kind: type[Any]) -> type[Any]:
    """A self-attention as `kind`, but where one token a sequence asks."""

    def forward(own: Any, hidden_1TD: Tensor, *given: Any, asked: Asked | None = None, **named: Any) -> tuple[Tensor, Tensor | None]:
        if asked is not None and asked.is_one_each:
            return _attend_once(own, hidden_1TD, asked, named["runs"]), None
        attended_1TD, weights = kind.forward(own, hidden_1TD, *given, **named)
        return _rows(attended_1TD, asked), weights

    return type(f"Narrow{kind.__name__}", (kind,), {"forward": forward})


def _attend_once(own: Any, hidden_1TD: Tensor, asked: Asked, runs: Runs) -> Tensor:
    """[1, K, D]"""
    projected = own.query(_rows(hidden_1TD, asked)), own.key(hidden_1TD), own.value(hidden_1TD)
    query, key, value = (each.unflatten(2, (-1, own.attention_head_size)).transpose(1, 2) for each in projected)
    dropout = own.dropout.p if own.training else 0.0
    return packed_attention(own, query, key, value, None, dropout, own.scaling, runs=runs, is_one_each=True)[0].flatten(2)


def _hand_over(attention: Any, _inputs: object, given: Mapping[str, Any]) -> None:
    attention.output.asked = given.get("asked")


def _narrowed(output: Any, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What attention gave, and what it is added to."""
    attended, added_to = inputs
    return attended, _rows(added_to, output.asked)


def _rows(states_1TD: Tensor, asked: Asked | None) -> Tensor:
    return states_1TD if asked is None else states_1TD.index_select(1, asked.rows_K)
