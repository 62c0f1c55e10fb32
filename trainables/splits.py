"""Parts of a split: slices in the order of the files, and random subsets."""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast, get_args

from trainables.examples import Example, Passage
from trainables.task import Split

SPLITS: tuple[Split, ...] = get_args(Split)


_SPLIT = re.compile(r"(train|dev|test)(?:\[(\d+%?)?:(\d+%?)?\])?")


class SplitSlice(NamedTuple):
    """A split, and the bounds of a slice of it: `9000`, `90%`, or None for the end."""

    split: Split
    start: str | None
    stop: str | None


def parse_split(text: str) -> SplitSlice:
    """`dev`, `dev[:9000]`, `train[90%:]`, `train[100:200]`."""
    match = _SPLIT.fullmatch(text)
    if match is None or text.endswith("[:]"):
        raise ValueError(f"split {text!r} is not one of {', '.join(SPLITS)}, or a slice such as dev[:9000], train[90%:], train[100:200]")
    return SplitSlice(cast(Split, match[1]), match[2], match[3])


def slice_of(examples: list[Example], start: str | None, stop: str | None, place: str, split: str) -> list[Example]:
    num = len(examples)
    bounds = []
    for bound, missing in ((start, 0), (stop, num)):
        value = missing if bound is None else num * int(bound[:-1]) // 100 if bound.endswith("%") else int(bound)
        if value > num:
            raise ValueError(f"{place}: {split} reaches to {bound}, but there are {num} examples")
        bounds.append(value)
    if bounds[0] >= bounds[1]:
        raise ValueError(f"{place}: {split} is empty: {bounds[0]} to {bounds[1]} of {num} examples")
    return examples[bounds[0] : bounds[1]]


def subset_of(examples: list[Example], num_examples: int, place: str) -> list[Example]:
    """The examples with the smallest hashes of their ids: nested by construction, and the same for every seed and language."""
    if not 0 < num_examples <= len(examples):
        raise ValueError(f"{place}: num_examples is {num_examples}, but there are {len(examples)} examples")
    order = subset_order([example.id for example in examples])
    return [examples[index] for index in sorted(order[:num_examples])]


def subset_order(ids: Sequence[str]) -> list[int]:
    """The places of examples with these ids, in the order in which subsets take them."""
    return sorted(range(len(ids)), key=lambda place: hashlib.sha256(ids[place].encode()).digest())


def take(examples: list[Example], choose: Callable[[list[Example]], list[Example]]) -> list[Example]:
    """Chooses among the examples; for retrieval among the queries, and every candidate stays."""
    candidates: list[Example] = [each for each in examples if isinstance(each, Passage) and each.side == "candidate"]
    if not candidates:
        return choose(examples)
    return choose([each for each in examples if isinstance(each, Passage) and each.side == "query"]) + candidates
