"""What a study's data sets left out by their own rules, and what was cut of their examples: for the terminal, the page and the cells."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sweeps.results import PairResult, StudyResult
from trainables.manifest import DataUse, Manifest


class UsedSet(NamedTuple):
    """Some examples as they were used, by however many stages, seeds and points."""

    use: DataUse
    """Of one of the stages; their purposes may differ."""
    purposes: tuple[str, ...]
    num_stages: int


class Loss(NamedTuple):
    """What a split lost over its languages; where stages differ, as by `max_length`, the most that one lost."""

    task: str
    split: str
    num_examples: int
    languages: tuple[str, ...]
    """Those in which something is lost."""
    by_reason: Mapping[str, int]

    @property
    def num(self) -> int:
        """Over all reasons."""
        return sum(self.by_reason.values())


def stages_of(result: StudyResult) -> dict[str, Manifest]:
    """Every stage of a study once, by its key."""
    trials = [trial.manifest for found in result.pairs for trial in found.trials]
    evaluations = [evaluation.manifest for found in result.pairs for evaluation in found.evaluations]
    return {manifest.key: manifest for manifest in (*result.encoders.values(), *trials, *evaluations)}


def used_sets(stages: Iterable[Manifest]) -> list[UsedSet]:
    """Every set of examples that lost something, once."""
    groups: dict[str, list[DataUse]] = {}
    for use in (use for stage in stages for use in stage.data if use.dropped or use.cut):
        groups.setdefault(use.model_dump_json(exclude={"purpose"}), []).append(use)
    sets = [UsedSet(uses[0], tuple(sorted({use.purpose for use in uses})), len(uses)) for uses in groups.values()]
    return sorted(sets, key=lambda each: (each.use.task, each.use.split, each.use.language, each.use.num_examples))


def num_unrecorded(stages: Iterable[Manifest]) -> int:
    """Trainings and evaluations whose record does not say what became of their examples."""
    return sum(not stage.data and stage.spec.get("kind") != "init" for stage in stages)


def drops(uses: Iterable[DataUse]) -> list[Loss]:
    """Entries that data sets' own rules leave out."""
    return _losses([(use, use.dropped) for use in uses])


def cuts(uses: Iterable[DataUse]) -> list[Loss]:
    """Examples that lost tokens, or whose answer cannot be found; one can be there for several reasons."""
    return _losses([(use, use.cut) for use in uses])


def _losses(counted: Sequence[tuple[DataUse, Mapping[str, int]]]) -> list[Loss]:
    by_split: dict[tuple[str, str], list[tuple[DataUse, Mapping[str, int]]]] = {}
    for use, counts in counted:
        by_split.setdefault((use.task, use.split), []).append((use, counts))
    losses = [_loss(task, split, entries) for (task, split), entries in sorted(by_split.items())]
    return [loss for loss in losses if loss.by_reason]


def _loss(task: str, split: str, entries: Sequence[tuple[DataUse, Mapping[str, int]]]) -> Loss:
    sizes: dict[str, int] = {}
    most: dict[tuple[str, str], int] = {}
    for use, counts in entries:
        sizes[use.language] = max(sizes.get(use.language, 0), use.num_examples)
        for reason, number in counts.items():
            most[use.language, reason] = max(most.get((use.language, reason), 0), number)
    by_reason: dict[str, int] = {}
    for (_, reason), number in sorted(most.items()):
        by_reason[reason] = by_reason.get(reason, 0) + number
    return Loss(task, split, sum(sizes.values()), tuple(sorted({language for language, _ in most})), by_reason)


def summary(result: StudyResult) -> list[str]:
    """A line for what was dropped, one for what was cut and one for what is not known; none for what did not happen."""
    stages = stages_of(result).values()
    uses = [use for stage in stages for use in stage.data]
    kinds = {
        "dropped by the data sets' rules": [_drop_phrase(loss) for loss in drops(uses)],
        "cut": [f"{loss.task} {loss.split}: {_cut_share(loss)}" for loss in cuts(uses)],
    }
    lines = [f"{kind}: {'; '.join(phrases)}" for kind, phrases in kinds.items() if phrases]
    unknown = num_unrecorded(stages)
    return lines + ([f"dropped and cut examples are not recorded of {unknown} stages"] if unknown else [])


def cell_notes(found: PairResult, stages: Mapping[str, Manifest]) -> tuple[str, ...]:
    """What was dropped of all examples that a cell rests on, and what was cut of those that it is scored on: a note a split.

    Cuts of training examples are in the page's table alone: every recipe that has a `max_length` makes some.
    """
    uses = [use for manifest in _behind(found, stages) for use in manifest.data]
    scored = [use for use in uses if use.purpose in ("test", "threshold")]
    return (
        *(f"dropped by the data set's rules: {_drop_phrase(loss)}" for loss in drops(uses)),
        *(f"cut: {loss.task} {loss.split}: {_cut_share(loss)} ({reasons(loss.by_reason)})" for loss in cuts(scored)),
    )


def reasons(counts: Mapping[str, int]) -> str:
    """`a sentence is blank: 12; no label: 3`."""
    return "; ".join(f"{reason}: {number:,}" for reason, number in counts.items())


def use_of(manifest: Manifest, task: str, language: str, split: str) -> DataUse | None:
    """What became of examples that a stage measured something on; None where that was not recorded."""
    measured = (use for use in manifest.data if (use.task, use.language, use.split) == (task, language, split) and use.purpose != "train")
    return next(measured, None)


def _behind(found: PairResult, stages: Mapping[str, Manifest]) -> Iterable[Manifest]:
    """The evaluations of a cell and all stages that they come from."""
    waiting = [evaluation.manifest for evaluation in found.evaluations]
    behind: dict[str, Manifest] = {}
    while waiting:
        manifest = waiting.pop()
        if manifest.key not in behind:
            behind[manifest.key] = manifest
            waiting += [stages[parent] for parent in manifest.parents if parent in stages]
    return behind.values()


def _drop_phrase(loss: Loss) -> str:
    named = ", ".join(loss.languages) if len(loss.languages) <= 3 else f"{len(loss.languages)} languages"
    return f"{loss.task} {loss.split} ({named}): {reasons(loss.by_reason)}"


def _cut_share(loss: Loss) -> str:
    """Examples with two reasons count twice, so that this is an upper bound there."""
    bound = "up to " if len(loss.by_reason) > 1 else ""
    return f"{bound}{loss.num:,} of {loss.num_examples:,}"
