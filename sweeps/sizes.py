"""How many examples published splits have, and how long these are: what a plan is costed with before any file is read."""

from collections.abc import Mapping
from typing import NamedTuple

from trainables.specs import DataSpec
from trainables.splits import parse_split
from trainables.task import TASKS, Split


class Size(NamedTuple):
    """Of one language of a split."""

    num_examples: int
    is_exact: bool
    """Else it is recalled, the largest of several languages, or that of the original of a translation: nothing is refused for it."""
    is_source_exact: bool = False
    """Whether it is exact in the task's source language at least."""

    def holds(self, data: DataSpec) -> bool:
        """Whether it is exactly the number of examples in the language of `data`."""
        return self.is_exact or (self.is_source_exact and data.language == TASKS.load(data.task).source_language)


class Length(NamedTuple):
    """Tokens of a sequence: an example's, or an option's with its question."""

    mean: float
    root_mean_square: float


def _exact(num_examples: int) -> Size:
    return Size(num_examples, True)


def _in_source(num_examples: int) -> Size:
    return Size(num_examples, False, True)


def _about(num_examples: int) -> Size:
    return Size(num_examples, False)


SIZES: Mapping[tuple[str, Split], Size] = {
    # Phang et al. 2020
    ("anli_plus", "train"): _exact(1_104_934),
    ("mnli", "train"): _exact(392_702),
    ("squad2", "train"): _exact(130_319),
    ("hellaswag", "train"): _exact(39_905),
    ("anli", "train"): _exact(162_865),
    ("snli", "train"): _exact(549_367),
    # The data sets' cards on the hub
    ("qqp", "train"): _exact(363_846),
    ("qqp", "dev"): _exact(40_430),
    ("cosmosqa", "train"): _exact(25_262),
    ("cosmosqa", "dev"): _exact(2_985),
    ("commonsenseqa", "train"): _exact(9_741),
    ("commonsenseqa", "dev"): _exact(1_221),
    ("commonsenseqa", "test"): _exact(1_140),
    # Chung et al. 2021 (RemBERT), table 11; where languages differ, the largest
    ("squad1", "train"): _exact(87_599),
    ("xnli", "dev"): _exact(2_490),
    ("xnli", "test"): _exact(5_010),
    ("pawsx", "train"): _exact(49_401),
    ("pawsx", "dev"): _exact(2_000),
    ("pawsx", "test"): _exact(2_000),
    ("udpos", "train"): _in_source(21_253),
    ("udpos", "dev"): _in_source(3_974),
    ("udpos", "test"): _about(20_436),
    ("panx", "train"): _in_source(20_000),
    ("panx", "dev"): _in_source(10_000),
    ("panx", "test"): _about(10_000),
    ("xquad", "test"): _exact(1_190),
    ("mlqa", "test"): _about(11_590),
    ("tydiqa", "train"): _in_source(3_696),
    ("tydiqa", "dev"): _about(2_719),
    ("tydiqa", "test"): _about(2_719),
    # Counted in published files
    ("mnli", "dev"): _exact(9_815),
    ("snli", "dev"): _exact(9_842),
    ("squad1", "dev"): _exact(10_570),
    ("tatoeba", "test"): _about(2_000),
    ("rte", "train"): _exact(2_490),
    ("rte", "dev"): _exact(277),
    ("copa", "train"): _exact(400),
    ("copa", "dev"): _exact(100),
    ("copa", "test"): _exact(500),
    ("xcopa", "dev"): _exact(100),
    ("xcopa", "test"): _exact(500),
    ("snli_cad", "train"): _exact(8_330),
    ("snli_cad", "dev"): _exact(1_000),
    ("snli_cad", "test"): _exact(2_000),
    # What the task's file asks the hub for
    ("wikipedia", "train"): _exact(20_000),
    # What the tasks of the pocket world make
    ("pocket_colour_class", "train"): _exact(2_400),
    ("pocket_colour_class", "dev"): _exact(150),
    ("pocket_colour_class", "test"): _exact(600),
    ("pocket_flavour_all", "train"): _exact(2_400),
    ("pocket_flavour_all", "dev"): _exact(150),
    ("pocket_flavour_all", "test"): _exact(600),
    ("pocket_flavour_repeated", "train"): _exact(9_600),
    ("pocket_flavour_repeated", "dev"): _exact(150),
    ("pocket_flavour_repeated", "test"): _exact(600),
    ("pocket_flavour_tags", "train"): _exact(2_400),
    ("pocket_flavour_tags", "dev"): _exact(150),
    ("pocket_flavour_tags", "test"): _exact(600),
    ("pocket_rank_class", "train"): _exact(2_400),
    ("pocket_rank_class", "dev"): _exact(150),
    ("pocket_rank_class", "test"): _exact(600),
    ("pocket_flavour_class", "train"): _exact(200),
    ("pocket_flavour_class", "dev"): _exact(150),
    ("pocket_flavour_class", "test"): _exact(600),
    ("pocket_flavour_qa", "train"): _exact(300),
    ("pocket_flavour_qa", "dev"): _exact(150),
    ("pocket_flavour_qa", "test"): _exact(600),
    ("pocket_rank_choice", "train"): _exact(300),
    ("pocket_rank_choice", "dev"): _exact(150),
    ("pocket_rank_choice", "test"): _exact(600),
    ("pocket_parallel_text", "train"): _exact(15_000),
    ("pocket_parallel_text", "dev"): _exact(200),
    ("pocket_parallel_text", "test"): _exact(200),
    ("pocket_switched_text", "train"): _exact(25_000),
    ("pocket_switched_text", "dev"): _exact(200),
    ("pocket_switched_text", "test"): _exact(200),
    ("pocket_text", "train"): _exact(10_000),
    ("pocket_text", "dev"): _exact(200),
    ("pocket_text", "test"): _exact(200),
    ("pocket_retrieval", "dev"): _exact(300),
    ("pocket_retrieval", "test"): _exact(1_200),
    # Recalled
    ("squad2", "dev"): _about(11_873),
    ("hellaswag", "dev"): _about(10_042),
    ("anli_plus", "dev"): _about(22_857),
    ("socialiqa", "train"): _about(33_410),
    ("socialiqa", "dev"): _about(1_954),
    ("ccg", "train"): _about(38_015),
    ("ccg", "dev"): _about(5_484),
}
"""By task and split; as the hub has them, without what a reader drops. Passages of retrieval tasks are of both sides."""

LENGTHS: Mapping[str, tuple[Length, Length]] = {
    "anli": (Length(92.4, 94.9), Length(92.4, 94.9)),
    "commonsenseqa": (Length(22.4, 23.3), Length(22.4, 23.3)),
    "copa": (Length(25.1, 25.3), Length(25.1, 25.3)),
    "cosmosqa": (Length(112.0, 115.7), Length(112.0, 115.7)),
    "hellaswag": (Length(52.1, 58.2), Length(52.1, 58.2)),
    "mlqa": (Length(238.8, 304.9), Length(252.6, 335.6)),
    "mnli": (Length(42.5, 46.3), Length(42.5, 46.3)),
    "panx": (Length(12.7, 14.2), Length(16.7, 24.8)),
    "pawsx": (Length(54.8, 56.7), Length(66.8, 70.4)),
    "rte": (Length(72.5, 83.2), Length(72.5, 83.2)),
    "snli": (Length(30.9, 32.2), Length(30.9, 32.2)),
    "snli_cad": (Length(29.8, 31.2), Length(29.8, 31.2)),
    "squad1": (Length(181.8, 194.3), Length(181.8, 194.3)),
    "squad2": (Length(182.5, 201.7), Length(182.5, 201.7)),
    "tatoeba": (Length(12.3, 13.4), Length(12.5, 13.9)),
    "tydiqa": (Length(153.6, 176.7), Length(146.4, 168.7)),
    "udpos": (Length(23.9, 28.8), Length(33.4, 40.6)),
    "xcopa": (Length(28.6, 29.0), Length(32.7, 33.7)),
    "xnli": (Length(40.5, 42.3), Length(55.1, 59.8)),
    "xquad": (Length(181.8, 194.3), Length(252.6, 335.6)),
}
"""By task, in English and as the mean over its languages: up to 400 sequences of each split at hand, in multilingual BERT's pieces, special
tokens included. XQuAD's are those of SQuAD, whose questions it has, and of MLQA."""


def size_of(data: DataSpec) -> Size | None:
    """The examples of `data`, after slice and subset; None where its split has no known size."""
    split, start, stop = parse_split(data.split)
    task = TASKS.load(data.task).translated_from or data.task
    whole = SIZES.get((task, split))
    if whole is None:
        return None
    number = _num_in(whole.num_examples, start, stop)
    taken = number if data.num_examples is None else min(number, data.num_examples)
    return Size(taken, whole.holds(data) and task == data.task)


def length_of(data: DataSpec) -> Length | None:
    """The length of a sequence of `data`; None where nothing of its task was measured."""
    task = TASKS.load(data.task).translated_from or data.task
    if task == "anli_plus":
        return _mean_length(("anli", "mnli", "snli"))
    found = LENGTHS.get(task)
    return None if found is None else found[0 if data.language == "en" else 1]


def too_large(data: DataSpec) -> str | None:
    """What is wrong with `data`, whose split is known to be smaller than what is taken of it; None if nothing is."""
    split, start, stop = parse_split(data.split)
    whole = SIZES.get((data.task, split))
    if whole is None or not whole.holds(data) or not data.source.startswith(("hub:", "generated")):
        return None
    for bound in (start, stop):
        if bound is not None and _place(bound, whole.num_examples, 0) > whole.num_examples:
            return f"{data.split} reaches to {bound}, but {data.task}/{split} has {whole.num_examples} examples; name fewer"
    there = _num_in(whole.num_examples, start, stop)
    if data.num_examples is not None and data.num_examples > there:
        return f"num_examples is {data.num_examples}, but {data.task}/{data.split} has {there} examples; name at most that many"
    return None


def _num_in(number: int, start: str | None, stop: str | None) -> int:
    """Of so many examples, those of a slice."""
    return max(min(_place(stop, number, number), number) - _place(start, number, 0), 0)


def _place(bound: str | None, number: int, missing: int) -> int:
    if bound is None:
        return missing
    return number * int(bound[:-1]) // 100 if bound.endswith("%") else int(bound)


def _mean_length(tasks: tuple[str, ...]) -> Length:
    """Of several tasks' examples together."""
    numbers = [SIZES[task, "train"].num_examples for task in tasks]
    lengths = [LENGTHS[task][0] for task in tasks]
    total = sum(numbers)
    mean = sum(number * length.mean for number, length in zip(numbers, lengths, strict=True)) / total
    square = sum(number * length.root_mean_square**2 for number, length in zip(numbers, lengths, strict=True)) / total
    return Length(mean, square**0.5)
