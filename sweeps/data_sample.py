"""How many examples there are and how long: counted and sampled in what can be read now, else as published."""

import functools
import itertools
import math
import os
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from sweeps.sizes import Length, length_of, size_of
from sweeps.study import StudyError
from trainables.data import load_examples
from trainables.examples import Choice, Dropped, Example, Line, Passage, Question, Sentence, Text
from trainables.flops import ONE_EACH
from trainables.keys import content_key
from trainables.specs import DataSpec, Record
from trainables.splits import parse_split
from trainables.task import TASKS, Kind
from trainables.task_errors import in_task_file

SAMPLE_VERSION = 1
NUM_SAMPLED = 200
CHARACTERS_PER_TOKEN = 4
"""Assumed of texts whose tokenizer is not at hand."""
_NUM_SPECIAL = 4
_STRIDE = 128
"""From one window of a long paragraph to the next, as `trainables.span_qa` has it."""
_MASKED_SHARE = 0.15
"""Of the tokens that are predicted, as `trainables.prepare` has it."""


class Amount(NamedTuple):
    """Some examples as a training counts them: in units, which are sequences, or questions with all their options."""

    num_units: float
    tokens: float
    """Of a unit, on average."""
    squares: float
    """The sum of the squared lengths of a unit's sequences, on average."""
    asked: float
    """Of a unit's tokens, on average, those that a head asks for."""
    is_one_each: bool
    """Whether these are one a sequence."""


class Unknown(NamedTuple):
    """Something that is not known, and of what."""

    what: str
    of: str


NO_SIZE = "not counted, for the number of examples is not known"
ROUGH_SIZE = "the number of examples is recalled, or the largest of several languages"
NO_LENGTH = "the lengths are counted as max_length"
NO_TOKENIZER = f"the tokenizer is not at hand, and a token is counted for {CHARACTERS_PER_TOKEN} characters"


class Sample(Record):
    """What was read of a data set."""

    num_examples: int
    sequences: tuple[tuple[tuple[str, str | None], ...], ...]
    """Of some examples: their sequences, of one text or two."""


class DataSamples:
    """The examples of a study's data: of the published files below `folder`, made by their task, or as published."""

    def __init__(self, folder: Path | None, cache: Path) -> None:
        self._folder = folder
        self._cache = cache
        self._sample = functools.cache(self._read)

    def amount(self, data: DataSpec, max_length: int, tokenizer: Path | None) -> tuple[Amount | None, tuple[Unknown, ...]]:
        """The amount, None if the number of examples is not known, and what is not known of it."""
        if data.source == "generated" or (self._folder is not None and data.source != "absent"):
            return self._measured(data, max_length, tokenizer)
        return _published(data, max_length)

    def num_examples(self, data: DataSpec) -> int | None:
        """Exactly how many there are; None if that is not known before they are read from the hub."""
        if data.source == "generated" or (self._folder is not None and data.source != "absent"):
            return self._sample(data).num_examples
        size = size_of(data)
        return size.num_examples if size is not None and size.is_exact else None

    def _measured(self, data: DataSpec, max_length: int, tokenizer: Path | None) -> tuple[Amount, tuple[Unknown, ...]]:
        sample = self._sample(data)
        is_question = TASKS.load(data.task).kind == "span_qa"
        flat = [pair for example in sample.sequences for pair in example]
        lengths = iter(_cut(length, max_length, is_question) for length in _num_tokens(flat, tokenizer))
        by_example = [[each for _ in example for each in next(lengths)] for example in sample.sequences]
        # the windows of a long paragraph are units of their own
        units = sum(len(example) for example in by_example) / len(by_example) if is_question else 1.0
        tokens = statistics.fmean(sum(example) for example in by_example) / units
        squares = statistics.fmean(sum(length**2 for length in example) for example in by_example) / units
        kind = TASKS.load(data.task).kind
        amount = Amount(sample.num_examples * units, tokens, squares, _asked(kind, tokens, sample.sequences), kind in ONE_EACH)
        return amount, () if tokenizer is not None else (Unknown(NO_TOKENIZER, data.task),)

    def _read(self, data: DataSpec) -> Sample:
        key = content_key("sample", {"data": data.model_dump(mode="json"), "version": SAMPLE_VERSION})
        path = self._cache / "samples" / f"{key}.json"
        if path.exists():
            return Sample.model_validate_json(path.read_bytes())
        size = size_of(data)
        if data.source == "generated" and size is not None and size.is_exact:
            examples, number = _first_made(data), size.num_examples
        else:
            try:
                examples = load_examples(data, self._folder, labelled=False).examples
            except ValueError as error:
                raise StudyError(str(error)) from None
            number = len(examples)
        step = max(1, len(examples) // NUM_SAMPLED)
        sample = Sample(num_examples=number, sequences=tuple(_sequences(example) for example in examples[::step]))
        _keep(path, sample.model_dump_json().encode())
        return sample


def _first_made(data: DataSpec) -> list[Example]:
    """The first examples of a generated split: all are drawn alike, and to make all takes seconds."""
    generate = TASKS.load(data.task).generate
    assert generate is not None, "a generated source has a task that makes it"
    with in_task_file(data.task, f"{data.task} {data.split} {data.language}"):
        entries = generate(parse_split(data.split).split, data.language)
        return [entry for entry in itertools.islice(entries, NUM_SAMPLED) if not isinstance(entry, Dropped)]


def _asked(kind: Kind, tokens: float, examples: Sequence[Sequence[tuple[str, str | None]]]) -> float:
    """As `trainables.heads.num_asked` counts a batch: one token a sequence, the first of each word, those that are masked, or all."""
    if kind in ONE_EACH:
        return statistics.fmean(map(len, examples))
    match kind:
        case "tagging":
            return min(tokens, statistics.fmean(1 + text.count(" ") for ((text, _),) in examples))
        case "mlm":
            return _MASKED_SHARE * tokens
        case _:
            return tokens


def _published(data: DataSpec, max_length: int) -> tuple[Amount | None, tuple[Unknown, ...]]:
    size, length = size_of(data), length_of(data)
    if size is None:
        return None, (Unknown(NO_SIZE, f"{data.task}/{data.split}"),)
    unknown = []
    if not size.is_exact:
        unknown.append(Unknown(ROUGH_SIZE, f"{data.task}/{data.split} ({size.num_examples:,})"))
    if length is None:
        unknown.append(Unknown(NO_LENGTH, data.task))
    mean, square = Length(max_length, max_length) if length is None else length
    task = TASKS.load(data.task)
    num_sequences = task.num_options or 1
    tokens, squares = num_sequences * min(mean, max_length), num_sequences * min(square, max_length) ** 2
    asked = num_sequences if task.kind in ONE_EACH else _MASKED_SHARE * tokens if task.kind == "mlm" else tokens
    amount = Amount(size.num_examples, tokens, squares, asked, task.kind in ONE_EACH)
    return amount, tuple(unknown)


def _sequences(example: Example) -> tuple[tuple[str, str | None], ...]:
    match example:
        case Text(text=text, pair=pair) | Line(text=text, pair=pair):
            return ((text, pair),)
        case Sentence(words=words):
            return ((" ".join(words), None),)
        case Question(question=question, context=context):
            return ((question, context),)
        case Choice(prompt=prompt, options=options):
            return tuple((prompt, option) for option in options)
        case Passage(text=text):
            return ((text, None),)


def _num_tokens(sequences: Sequence[tuple[str, str | None]], tokenizer: Path | None) -> Iterable[int]:
    if tokenizer is None:
        return [math.ceil((len(text) + len(pair or "")) / CHARACTERS_PER_TOKEN) + _NUM_SPECIAL for text, pair in sequences]
    texts = [text if pair is None else (text, pair) for text, pair in sequences]
    return [len(encoding.ids) for encoding in _load_tokenizer(tokenizer).encode_batch(texts)]


@functools.lru_cache(maxsize=4)
def _load_tokenizer(path: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _cut(length: int, max_length: int, is_question: bool) -> tuple[int, ...]:
    """The lengths that a text goes forward in: cut, or, as a paragraph, in windows."""
    if length <= max_length:
        return (length,)
    return (max_length,) * (1 + math.ceil((length - max_length) / _STRIDE) if is_question else 1)


def _keep(path: Path, content: bytes) -> None:
    """Aside and renamed: a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(aside, path)
