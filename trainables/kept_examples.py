"""Scored examples that a process keeps from stage to stage: to read and check them takes as long as a small model's pass over them."""

from collections import OrderedDict
from pathlib import Path

from trainables.data import load_examples
from trainables.examples import Example
from trainables.specs import DataSpec

MAX_KEPT = 100_000
"""Examples, of which one takes about a kilobyte."""

_kept: OrderedDict[DataSpec, list[Example]] = OrderedDict()
"""The least recently used first. A spec says which bytes its examples were read from, so it names the same ones for ever."""


def scored_examples(data: DataSpec, folder: str | Path | None) -> list[Example]:
    """The examples of `load_examples`, read once as long as they are among the last `MAX_KEPT`; not to be changed."""
    if data not in _kept:
        _kept[data] = load_examples(data, folder).examples
    _kept.move_to_end(data)
    examples = _kept[data]
    while sum(map(len, _kept.values())) > MAX_KEPT:
        _kept.popitem(last=False)
    return examples
