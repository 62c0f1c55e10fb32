"""The last layer of an encoder, computed above its attention for those tokens alone that a head looks at.

There each token is treated by itself, so no logit and no gradient changes: a classifier asks for one token a sequence, a tagger for the
first piece of each word.

Legend: `T` tokens of a row, `K` of them that are asked for, `D` hidden size.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def make_narrow(attention: nn.Module) -> None:
    """Has what follows on `attention`, of a layer as BERT has them, go on with [1, K, D] where the encoder is called with `rows_K`, the
    places of tokens, which transformers hands on to all modules.

    So there is nothing to set before a call, and a layer that is computed again in the backward pass is told again.
    """
    output: Any = attention.output
    if not hasattr(output, "rows_K"):
        output.rows_K = None
        attention.register_forward_pre_hook(_hand_over, with_kwargs=True)
        output.register_forward_pre_hook(_narrowed)


def _hand_over(attention: Any, _inputs: object, given: Mapping[str, Any]) -> None:
    attention.output.rows_K = given.get("rows_K")


def _narrowed(output: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What attention gave, and what it is added to."""
    rows_K: Tensor | None = output.rows_K
    return inputs if rows_K is None else tuple(each.index_select(1, rows_K) for each in inputs)
