"""Scored examples that a process keeps from stage to stage: to read and check them takes as long as a small model's pass over them."""

import pickle
from collections import OrderedDict
from pathlib import Path

from trainables.data import load_examples
from trainables.examples import Example
from trainables.specs import DataSpec

MAX_BYTES = 2**26

_kept: OrderedDict[DataSpec, bytes] = OrderedDict()
"""Pickled, which takes a tenth of the memory and of the time to read them; the least recently used first.

A spec says which bytes its examples were read from, so it names the same ones for ever.
"""


def scored_examples(data: DataSpec, folder: str | Path | None) -> list[Example]:
    """The examples of `load_examples`, read and checked once as long as they are among the last `MAX_BYTES`."""
    if data in _kept:
        _kept.move_to_end(data)
        known: list[Example] = pickle.loads(_kept[data])  # from this process's own memory
        return known
    examples = load_examples(data, folder).examples
    _kept[data] = pickle.dumps(examples)
    while sum(map(len, _kept.values())) > MAX_BYTES:
        _kept.popitem(last=False)
    return examples
