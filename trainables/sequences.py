"""Text to sequences of token ids: batch tokenization, the tokenizer's special tokens, truncation."""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from transformers import PreTrainedTokenizerBase

from trainables.features import Features

Ids = list[int]
Item = TypeVar("Item")


class Template(NamedTuple):
    """The special tokens that a tokenizer puts around one segment, and around and between two."""

    single_prefix: Ids
    single_suffix: Ids
    pair_prefix: Ids
    pair_middle: Ids
    pair_suffix: Ids

    @property
    def num_single(self) -> int:
        """Special tokens of a sequence with one segment."""
        return len(self.single_prefix) + len(self.single_suffix)

    @property
    def num_pair(self) -> int:
        """Special tokens of a sequence with two segments."""
        return len(self.pair_prefix) + len(self.pair_middle) + len(self.pair_suffix)


def template_of(tokenizer: PreTrainedTokenizerBase) -> Template:
    """Reads the template off what the tokenizer makes of a short text; a ValueError if it is not a fast tokenizer."""
    if not tokenizer.is_fast:
        raise ValueError(f"the tokenizer is a {type(tokenizer).__name__}; a fast one is needed, for offsets and speed")
    probe = next(
        text for text in itertools.chain(["a", "0"], tokenizer.get_vocab()) if tokenizer(text, add_special_tokens=False)["input_ids"]
    )
    single, pair = tokenizer(probe), tokenizer(probe, probe)
    only, first, second = _bounds(single.sequence_ids(0), 0), _bounds(pair.sequence_ids(0), 0), _bounds(pair.sequence_ids(0), 1)
    single_ids, pair_ids = list(single["input_ids"]), list(pair["input_ids"])
    return Template(
        single_prefix=single_ids[: only.start],
        single_suffix=single_ids[only.stop :],
        pair_prefix=pair_ids[: first.start],
        pair_middle=pair_ids[first.stop : second.start],
        pair_suffix=pair_ids[second.stop :],
    )


def _bounds(sequence_ids: Sequence[int | None], segment: int) -> range:
    inside = [index for index, sequence in enumerate(sequence_ids) if sequence == segment]
    return range(inside[0], inside[-1] + 1)


def tokenize(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Ids]:
    """The token ids of each text, without special tokens, uncut."""
    if not texts:  # which transformers does not take
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False)
    return list(encoded["input_ids"])


def fit(num_first: int, num_second: int, room: int) -> tuple[int, int]:
    """Tokens to keep of two segments so that they fit: the longer one is cut first, and both to half if both are longer."""
    if num_first + num_second <= room:
        return num_first, num_second
    half = room // 2
    if num_first <= half:
        return num_first, room - num_first
    if num_second <= half:
        return room - num_second, num_second
    return room - half, half


class SequenceBuilder:
    """Collects sequences, and hands them over as Features; token ids are packed as they come, for lists are large."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self._token_ids: list[np.ndarray[tuple[int], np.dtype[np.int32]]] = []
        self._lengths: list[int] = []
        self._second_segment: list[int] = []
        self._example: list[int] = []

    def add_single(self, example: int, first: Ids) -> None:
        """One segment."""
        ids = [*self.template.single_prefix, *first, *self.template.single_suffix]
        self._add(example, ids, len(ids))

    def add_pair(self, example: int, first: Ids, second: Ids) -> int:
        """Two segments; returns where in the sequence the second one starts."""
        start = len(self.template.pair_prefix) + len(first) + len(self.template.pair_middle)
        ids = [*self.template.pair_prefix, *first, *self.template.pair_middle, *second, *self.template.pair_suffix]
        self._add(example, ids, start)
        return start

    def _add(self, example: int, ids: Ids, second_segment: int) -> None:
        self._token_ids.append(np.array(ids, dtype=np.int32))
        self._lengths.append(len(ids))
        self._second_segment.append(second_segment)
        self._example.append(example)

    def features(self, kind: str, num_examples: int, targets: object, char_spans: object = ()) -> Features:
        """All sequences so far."""
        return Features(
            kind=kind,
            token_ids=np.concatenate(self._token_ids),
            offsets=np.concatenate([[0], np.cumsum(self._lengths)]).astype(np.int64),
            second_segment=np.array(self._second_segment, dtype=np.int32),
            example=np.array(self._example, dtype=np.int32),
            num_examples=num_examples,
            targets=np.array(targets, dtype=np.int32),
            char_spans=np.array(char_spans, dtype=np.int32).reshape(-1, 2),
        )


def batches(items: Sequence[Item], size: int = 2000) -> Iterable[tuple[int, Sequence[Item]]]:
    """(index of the first item, items): tokenizers work in parallel within a batch, and lists of ids stay small."""
    for start in range(0, len(items), size):
        yield start, items[start : start + size]
