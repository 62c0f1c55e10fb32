"""What training and selection have seen of the examples that a pair is scored on, as far as it is known before any file is read.

Measured overlaps of texts are not looked at: these are relations that hold whatever the files are.
"""

from collections.abc import Sequence
from typing import NamedTuple

from trainables.data import parse_split
from trainables.task import TASKS, Split


class Reference(NamedTuple):
    """Examples of a task: `split` may have a slice, as in a study."""

    task: str
    split: str


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


def find_leaks(
    intermediate: Sequence[Reference], trained: Reference | None, chosen: Reference | None, scored: Reference
) -> tuple[str, ...]:
    """One sentence for each relation of a pair: of its intermediate training, empty for the baseline, of its target training (None
    where nothing is trained), of what chooses its checkpoint or threshold (None where nothing scored is among it), and of the
    examples that it is scored on."""
    seen = [part for reference in intermediate for part in _parts(reference)]
    own = [] if trained is None else _parts(trained)
    found = [
        f"{reference.task} is also what {scored.task} trains on: a gain may be more training on the same task"
        for reference in dict.fromkeys(seen)
        if any(reference.task == other.task for other in own)
    ]
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


def _parts(reference: Reference) -> list[Reference]:
    """The tasks that a task of parts is made of."""
    parts = TASKS.load(reference.task).parts
    return [Reference(part, reference.split) for part in parts] if parts else [reference]


def _overlaps(one: Reference, other: Reference) -> bool:
    """Whether both name the same split of the same task; two different slices are taken to be apart."""
    first, second = parse_split(one.split), parse_split(other.split)
    has_slices = first[1:] != (None, None) and second[1:] != (None, None)
    return one.task == other.task and first.split == second.split and (not has_slices or first == second)
