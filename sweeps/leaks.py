"""What training and selection have seen of the examples that a pair is scored on: relations known before any file is read, and
measured overlaps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sweeps.references import Reference
from trainables.overlap import WHOLE, TextHashes, num_shared
from trainables.specs import DataSpec
from trainables.splits import parse_split
from trainables.task import TASKS, Split


class Contains(NamedTuple):
    """Every scored example of some tasks, or its original, is in a split of another one."""

    task: str
    split: Split
    scored: tuple[str, ...]
    why: str


CONTAINED = (
    Contains(
        "squad1",
        "dev",
        ("xquad", "lareqa"),
        "SQuAD 1.1's dev set holds the original of every XQuAD question (Artetxe et al. 2020), so the answers were seen",
    ),
)

SAME_FILES: dict[tuple[str, Split], tuple[str, Split]] = {("tydiqa", "dev"): ("tydiqa", "test")}
"""Two splits of a task that are one: TyDiQA-GoldP publishes no answers but its train and dev files'."""

NOTED = {WHOLE: "whole examples", "context": "contexts", "text": "first texts of pairs", "pair": "second texts of pairs"}
"""What is noted when it is shared. A question or a prompt alone is not: many share one and have another answer."""

NOTED_SHARE = 0.01
"""Of the scored examples of a language, from which on a shared part is noted; a whole example is noted from the first on."""


def find_leaks(
    intermediate: Sequence[Reference], trained: Reference | None, chosen: Reference | None, scored: Reference
) -> tuple[str, ...]:
    """One sentence for each relation of a pair: of its intermediate training, empty for the baseline, of its target training (None
    where nothing is trained), of what chooses its checkpoint or threshold (None where nothing scored is among it), and of the
    examples that it is scored on."""
    seen = [part for reference in intermediate for part in _parts(reference)]
    own = [] if trained is None else _parts(trained)
    found = []
    for reference in dict.fromkeys(seen):
        original = TASKS.load(reference.task).translated_from
        if any((original or reference.task) == other.task for other in own):
            what = "also" if original is None else "a translation of"
            found.append(f"{reference.task} is {what} what {scored.task} trains on: a gain may be more training on the same task")
    for reference in dict.fromkeys([*seen, *own]):
        if _overlaps(reference, scored):
            found.append(
                f"{reference.task}/{reference.split} was trained on, and {scored.task}/{scored.split} is scored: the same examples"
            )
        for relation in CONTAINED:
            if (reference.task, parse_split(reference.split).split) == relation[:2] and scored.task in relation.scored:
                found.append(f"{reference.task}/{reference.split} was trained on: {relation.why}")
    if chosen is not None and _overlaps(_one_name(chosen), _one_name(scored)):
        found.append(f"{chosen.task}/{chosen.split} chooses what {scored.task}/{scored.split} then scores: in part the same examples")
    return tuple(found)


def _one_name(reference: Reference) -> Reference:
    """A split that goes by two names has the second."""
    split = parse_split(reference.split)
    task, name = SAME_FILES.get((reference.task, split.split), (reference.task, split.split))
    return Reference(task, reference.split.replace(split.split, name, 1))


def measure_leaks(
    trained: Sequence[DataSpec], scored: Sequence[DataSpec], hashes_of: Callable[[DataSpec], TextHashes | None]
) -> tuple[str, ...]:
    """One sentence for each training split, whatever its languages, that shares texts with the examples that a pair is scored on.

    `scored` is one split in several languages. Data of which `hashes_of` knows nothing are passed over.
    """
    seen: dict[str, list[TextHashes]] = {}
    for data in dict.fromkeys(trained):
        if (hashes := hashes_of(data)) is not None:
            seen.setdefault(f"{data.task}/{data.split}", []).append(hashes)
    asked = {data.language: hashes for data in scored if (hashes := hashes_of(data)) is not None} if seen else {}
    found = []
    for name, texts in seen.items():
        whole = _shared(texts, asked, WHOLE)
        for what, words in NOTED.items():
            shared = whole if what == WHOLE else _shared(texts, asked, what)
            if shared and (what == WHOLE or shared != whole):
                where = ", ".join(f"{language} {number:,} of {num:,}" for language, (number, num) in shared.items())
                found.append(f"{name} was trained on and holds {words} of {scored[0].task}/{scored[0].split}, which is scored: {where}")
    return tuple(found)


def _shared(seen: Sequence[TextHashes], asked: Mapping[str, TextHashes], what: str) -> dict[str, tuple[int, int]]:
    """By language, the number of scored examples that share what is compared, and of all; only what is noted."""
    found = {}
    for language, hashes in asked.items():
        number, num = (num_shared(seen, hashes, what), len(hashes[what])) if what in hashes else (0, 0)
        if number and (what == WHOLE or number >= NOTED_SHARE * num):
            found[language] = (number, num)
    return found


def _parts(reference: Reference) -> list[Reference]:
    """The tasks that a task of parts is made of."""
    parts = TASKS.load(reference.task).parts
    return [Reference(part, reference.split) for part in parts] if parts else [reference]


def _overlaps(one: Reference, other: Reference) -> bool:
    """Whether both name the same split of the same task; two different slices are taken to be apart."""
    first, second = parse_split(one.split), parse_split(other.split)
    has_slices = first[1:] != (None, None) and second[1:] != (None, None)
    return one.task == other.task and first.split == second.split and (not has_slices or first == second)
