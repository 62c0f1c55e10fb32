"""What training and selection have seen of the examples that a pair is scored on: relations known before any file is read, and
measured overlaps.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from numpy import uint64
from numpy.typing import NDArray

from trainables.overlap import WHOLE, TextHashes, every_text, num_shared
from trainables.specs import DataSpec, MixtureTask
from trainables.splits import SplitSlice, parse_split
from trainables.task import TASKS, Split


class Seen(NamedTuple):
    """What one training has seen."""

    trained: tuple[DataSpec, ...]
    """Empty where nothing is trained, as for retrieval."""
    chosen: tuple[DataSpec, ...]
    """What chooses among its checkpoints and points; where pairs are mined, their threshold."""


def seen_by(mixture: Iterable[MixtureTask]) -> Seen:
    """What the training of a mixture has seen."""
    entries = tuple(mixture)
    return Seen(tuple(entry.train for entry in entries), tuple(dev for entry in entries for dev in entry.dev))


_Split = tuple[str, Split]
"""Task and split."""


class Shares(NamedTuple):
    """Examples, or their originals, that are in two data sets."""

    seen: tuple[_Split, ...]
    scored: tuple[_Split, ...]
    why: str


_XQUAD: tuple[_Split, ...] = (("xquad", "test"), ("lareqa", "test"))
_SQUAD2_DEV = "SQuAD 2.0's dev set is made of articles of SQuAD 1.1's, with their questions (Rajpurkar et al. 2018)"
_SQUAD_TRAIN = "SQuAD 2.0 adds questions without an answer to SQuAD 1.1, article by article (Rajpurkar et al. 2018)"
_MLQA_PAIRS = "its question and paragraphs in two languages are MLQA's in one (Lewis et al. 2020)"
_XCOPA = "XCOPA is a translation of COPA's dev and test sets (Ponti et al. 2020)"

SHARED = (
    Shares((("squad1", "dev"),), _XQUAD, "SQuAD 1.1's dev set holds the original of every XQuAD question (Artetxe et al. 2020)"),
    Shares((("squad2", "dev"),), _XQUAD, f"{_SQUAD2_DEV}, which hold the originals of XQuAD's (Artetxe et al. 2020)"),
    Shares(_XQUAD, (("squad1", "dev"), ("squad2", "dev")), "XQuAD's questions are of SQuAD 1.1's dev set (Artetxe et al. 2020)"),
    Shares((("xquad", "test"),), (("lareqa", "test"),), "LAReQA asks the questions of XQuAD (Roy et al. 2020)"),
    Shares((("squad1", "dev"),), (("squad2", "dev"),), _SQUAD2_DEV),
    Shares((("squad2", "dev"),), (("squad1", "dev"),), _SQUAD2_DEV),
    Shares((("squad1", "train"),), (("squad2", "train"),), _SQUAD_TRAIN),
    Shares((("squad2", "train"),), (("squad1", "train"),), _SQUAD_TRAIN),
    *(Shares((("mlqa", split),), (("mlqa_pairs", split),), _MLQA_PAIRS) for split in ("dev", "test")),
    *(Shares((("mlqa_pairs", split),), (("mlqa", split),), _MLQA_PAIRS) for split in ("dev", "test")),
    *(Shares((("copa", split),), (("xcopa", split),), _XCOPA) for split in ("dev", "test")),
    *(Shares((("xcopa", split),), (("copa", split),), _XCOPA) for split in ("dev", "test")),
)
"""Known from the papers; of what is in the published files at hand, docs/overlap.md has the counts."""

SAME_FILES: dict[_Split, _Split] = {("tydiqa", "dev"): ("tydiqa", "test")}
"""Two splits of a task that are one: TyDiQA-GoldP publishes no answers but its train and dev files'."""

PARALLEL = ("lareqa", "mlqa", "mlqa_pairs", "pawsx", "xcopa", "xnli", "xquad")
"""Tasks whose languages are translations of the same examples."""

NOTED = {
    WHOLE: "whole examples",
    "query": "queries",
    "candidate": "candidates",
    "context": "contexts",
    "text": "first texts of pairs",
    "pair": "second texts of pairs",
}
"""What is noted when it is shared. A question or a prompt alone is not: many share one and have another answer."""

NOTED_SHARE = 0.01
"""Of the scored examples of a language, from which on a shared part is noted; a whole example is noted from the first on. Short
sentences are in many corpora, so a query alone is not."""


class _Part(NamedTuple):
    """The languages of one split, which may have a slice, of a task that is not made of parts."""

    task: str
    split: str
    languages: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.task}/{self.split}"


def find_leaks(before: Sequence[Seen], own: Seen, scored: Sequence[DataSpec]) -> tuple[str, ...]:
    """One sentence for each relation of a pair that is known without its files.

    `before` are the trainings that its encoder went through, none for the baseline of a published encoder, and `own` is its target
    training; `scored` is one split in several languages.
    """
    found = [*_found_twice(before, own, scored[0].task)]
    for seen in (*before, own):
        for part, asked in _couples(seen.trained, scored):
            if why := _why_shared(part, asked):
                found.append(f"{part.name} was trained on, and {asked.name} is scored: {why}")
    for seen in (*before, own):
        verb = "chooses what" if seen is own else "chooses a checkpoint before what"
        for part, asked in _couples(seen.chosen, scored):
            if why := _why_shared(part, asked):
                found.append(f"{part.name} {verb} {asked.name} then scores: {why}")
    return tuple(dict.fromkeys([*found, *_found_memorised(before, own)]))


def _found_twice(before: Sequence[Seen], own: Seen, target: str) -> Iterator[str]:
    """Where an earlier training is on what the target training is on."""
    for seen in before:
        for task in dict.fromkeys(part.task for part in _parts(seen.trained)):
            original = TASKS.load(task).translated_from
            if any((original or task) == part.task for part in _parts(own.trained)):
                what = "also" if original is None else "a translation of"
                yield f"{task} is {what} what {target} trains on: a gain may be more training on the same task"
        for part, again in _couples(seen.trained, own.trained):
            if part.task != again.task and (why := _related(part, again)):
                yield f"{part.name} shares examples with what {target} trains on, so a gain may be more training on them: {why}"


def _found_memorised(before: Sequence[Seen], own: Seen) -> Iterator[str]:
    """Where a training, or one before it, was on the examples that choose among its checkpoints."""
    trained: list[DataSpec] = []
    for seen in (*before, own):
        trained += seen.trained
        for part, asked in _couples(trained, seen.chosen):
            if why := _why_shared(part, asked):
                yield f"{asked.name} chooses among checkpoints trained on {part.name}: {why}, so the choice favours what was memorised"


def measure_leaks(
    trainings: Sequence[Seen], scored: Sequence[DataSpec], hashes_of: Callable[[DataSpec], TextHashes | None]
) -> tuple[str, ...]:
    """One sentence for each split that was trained on, or chose, whatever its languages, and shares texts with the examples that a
    pair is scored on.

    `scored` is one split in several languages. Data of which `hashes_of` knows nothing are passed over; so is the scored split itself
    where it chooses.
    """
    names: dict[tuple[str, str], list[DataSpec]] = {}
    for data in dict.fromkeys(data for seen in trainings for data in seen.trained):
        names.setdefault((f"{data.task}/{data.split}", "was trained on"), []).append(data)
    for data in dict.fromkeys(data for seen in trainings for data in seen.chosen):
        name = f"{data.task}/{data.split}"
        if (name, "was trained on") not in names and _one_name(data.task, data.split) != _one_name(scored[0].task, scored[0].split):
            names.setdefault((name, "chooses a checkpoint or threshold"), []).append(data)
    texts = {name: every_text(_known(data, hashes_of).values()) for name, data in names.items()}
    asked = _known(scored, hashes_of) if any(map(len, texts.values())) else {}
    return tuple(
        f"{name} {use} and holds {what} of {scored[0].task}/{scored[0].split}, which is scored: {where}"
        for (name, use), seen_texts in texts.items()
        for what, where in _noted(seen_texts, {data.language: hashes for data, hashes in asked.items()})
        if what != NOTED["candidate"] or not name.startswith(f"{scored[0].task}/")  # slices share all candidates, BUCC's splits some
    )


def _known(data: Iterable[DataSpec], hashes_of: Callable[[DataSpec], TextHashes | None]) -> dict[DataSpec, TextHashes]:
    return {one: hashes for one in data if (hashes := hashes_of(one)) is not None}


def _noted(seen: NDArray[uint64], asked: Mapping[str, TextHashes]) -> Iterator[tuple[str, str]]:
    """What is shared and noted, each with its counts by language."""
    whole = _shared(seen, asked, WHOLE)
    for what, words in NOTED.items():
        shared = whole if what == WHOLE else _shared(seen, asked, what)
        if shared and (what == WHOLE or shared != whole):
            yield words, ", ".join(f"{language} {number:,} of {num:,}" for language, (number, num) in shared.items())


def _shared(seen: NDArray[uint64], asked: Mapping[str, TextHashes], what: str) -> dict[str, tuple[int, int]]:
    """By language, the number of scored examples that share what is compared, and of all; only what is noted."""
    found = {}
    for language, hashes in asked.items():
        number, num = (num_shared(seen, hashes, what), len(hashes[what])) if what in hashes else (0, 0)
        if number and (what == WHOLE or number >= NOTED_SHARE * num):
            found[language] = (number, num)
    return found


def _why_shared(seen: _Part, asked: _Part) -> str | None:
    """In which way the seen examples are those that are asked for, if they are."""
    task, split = _one_name(TASKS.load(seen.task).translated_from or seen.task, seen.split)
    asked_task, asked_split = _one_name(asked.task, asked.split)
    if task != asked_task or not _meet(parse_split(split), parse_split(asked_split)):
        return _related(seen, asked)
    if task != seen.task:
        return "translations of the same examples"
    if seen.languages & asked.languages:
        return "the same examples" if split == asked_split and asked.languages <= seen.languages else "in part the same examples"
    return "the same examples in another language" if task in PARALLEL else None


def _related(seen: _Part, asked: _Part) -> str | None:
    one, other = (seen.task, parse_split(seen.split).split), (asked.task, parse_split(asked.split).split)
    return next((relation.why for relation in SHARED if one in relation.seen and other in relation.scored), None)


def _couples(seen: Iterable[DataSpec], asked: Iterable[DataSpec]) -> Iterator[tuple[_Part, _Part]]:
    return itertools.product(_parts(seen), _parts(asked))


def _parts(data: Iterable[DataSpec]) -> list[_Part]:
    """Splits with their languages; a task that is made of others is those."""
    languages: dict[tuple[str, str], list[str]] = {}
    for one in data:
        for task in TASKS.load(one.task).parts or (one.task,):
            languages.setdefault((task, one.split), []).append(one.language)
    return [_Part(task, split, frozenset(known)) for (task, split), known in languages.items()]


def _one_name(task: str, split: str) -> tuple[str, str]:
    """Task and split, of which the second name where the split goes by two."""
    old = parse_split(split).split
    task, new = SAME_FILES.get((task, old), (task, old))
    return task, split.replace(old, new, 1)


def _meet(one: SplitSlice, other: SplitSlice) -> bool:
    """Whether two slices have examples in common; those with bounds in examples and in percent are taken to."""
    if one.split != other.split:
        return False
    bounds = [bound for bound in (*one[1:], *other[1:]) if bound is not None]
    if len({bound.endswith("%") for bound in bounds}) > 1:
        return True
    (start, stop), (other_start, other_stop) = (
        (0 if each.start is None else int(each.start.rstrip("%")), math.inf if each.stop is None else int(each.stop.rstrip("%")))
        for each in (one, other)
    )
    return max(start, other_start) < min(stop, other_stop)
