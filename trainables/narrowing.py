"""The last layer of an encoder, computed for those tokens alone that a head looks at, as far as nothing changes by it.

Above attention each token is treated by itself: a classifier asks for one token a sequence, a tagger for the first piece of each word.
Where it is one a sequence, no other token needs to attend to the rest either.

Legend: `T` tokens of a row, `K` of them that are asked for, `D` hidden size, `H` attention heads, `E` size of a head.
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
    if not isinstance(attention.self, NarrowSelfAttention):
        attention.self = NarrowSelfAttention(attention.self)
        output.asked = None
        attention.register_forward_pre_hook(_hand_over, with_kwargs=True)
        output.register_forward_pre_hook(_narrowed)


class NarrowSelfAttention(nn.Module):
    """transformers' self-attention of packed sequences with the same weights, which gives what the tokens that are asked for attend to."""

    def __init__(self, whole: Any) -> None:
        super().__init__()
        self.query, self.key, self.value, self.dropout = whole.query, whole.key, whole.value, whole.dropout
        self._size = int(whole.attention_head_size)

    def forward(self, hidden_states: Tensor, *, runs: Runs, asked: Asked | None = None, **_others: object) -> tuple[Tensor, None]:
        is_one_each = asked is not None and asked.is_one_each
        asking = _rows(hidden_states, asked) if is_one_each else hidden_states
        query, key, value = self._heads(self.query(asking)), self._heads(self.key(hidden_states)), self._heads(self.value(hidden_states))
        dropout = self.dropout.p if self.training else 0.0
        attended = packed_attention(self, query, key, value, None, dropout, runs=runs, is_one_each=is_one_each)[0].flatten(2)
        return attended if is_one_each else _rows(attended, asked), None

    def _heads(self, states_1TD: Tensor) -> Tensor:
        """[1, H, T, E]"""
        return states_1TD.unflatten(2, (-1, self._size)).transpose(1, 2)


def _hand_over(attention: Any, _inputs: object, given: Mapping[str, Any]) -> None:
    attention.output.asked = given.get("asked")


def _narrowed(output: Any, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What attention gave, and what it is added to."""
    attended, added_to = inputs
    return attended, _rows(added_to, output.asked)


def _rows(states_1TD: Tensor, asked: Asked | None) -> Tensor:
    return states_1TD if asked is None else states_1TD.index_select(1, asked.rows_K)
