"""What a study's data sets left out by their own rules, and what was cut of their examples: for the terminal, the page and the cells."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sweeps.report.wording import count
from sweeps.results import PairResult, StudyResult
from trainables.manifest import DataUse, Manifest


class UsedSet(NamedTuple):
    """Some examples as they were used, by however many stages, seeds and points."""

    use: DataUse
    """Of one of the stages; their purposes may differ."""
    purposes: tuple[str, ...]
    num_stages: int


class Loss(NamedTuple):
    """What a split lost over its languages; where stages differ, as by `max_length`, what the one lost that lost most."""

    task: str
    split: str
    num_examples: int
    languages: tuple[str, ...]
    """Those in which something is lost."""
    by_reason: Mapping[str, int]


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


def drops(uses: Iterable[DataUse]) -> list[Loss]:
    """Entries that data sets' own rules leave out."""
    return _losses([(use, use.dropped) for use in uses])


def cuts(uses: Iterable[DataUse]) -> list[Loss]:
    """Examples that lost tokens, or whose answer cannot be found; one can be there for several reasons."""
    return _losses([(use, use.cut) for use in uses])


def _losses(counted: Sequence[tuple[DataUse, Mapping[str, int]]]) -> list[Loss]:
    """Of each language of a split the use that lost most."""
    most: dict[tuple[str, str], dict[str, tuple[DataUse, Mapping[str, int]]]] = {}
    for use, counts in counted:
        languages = most.setdefault((use.task, use.split), {})
        if use.language not in languages or _size(use, counts) > _size(*languages[use.language]):
            languages[use.language] = use, counts
    losses = [_loss(task, split, list(languages.values())) for (task, split), languages in sorted(most.items())]
    return [loss for loss in losses if loss.by_reason]


def _size(use: DataUse, counts: Mapping[str, int]) -> tuple[int, int]:
    return sum(counts.values()), use.num_examples


def _loss(task: str, split: str, counted: Sequence[tuple[DataUse, Mapping[str, int]]]) -> Loss:
    by_reason: Counter[str] = Counter()
    for _, counts in counted:
        by_reason.update(counts)
    languages = tuple(sorted(use.language for use, counts in counted if counts))
    return Loss(task, split, sum(use.num_examples for use, _ in counted), languages, dict(sorted(by_reason.items())))


def summary(result: StudyResult) -> list[str]:
    """A line for what was dropped and one for what was cut; none for what did not happen.

    What is cut of examples that train or select is in the report.
    """
    stages = stages_of(result).values()
    uses = [use for stage in stages for use in stage.data]
    dropped = [_drop_phrase(loss) for loss in drops(use for use in uses if not _is_made(use))]
    unmade = [_drop_phrase(loss) for loss in drops(filter(_is_made, uses))]
    scored = [f"{loss.task} {loss.split}: {_cut_share(loss)}" for loss in cuts(filter(_is_scored, uses))]
    others = len(cuts(use for use in uses if not _is_scored(use)))
    others_phrase = f"examples of {count(others, 'split')} that train or select (see the report)"
    cut = [*scored, *([f"{'and ' if scored else ''}{others_phrase}"] if others else [])]
    kinds = (("dropped by the data sets' rules", dropped), ("could not be made", unmade), ("cut to max_length", cut))
    return [f"{kind}: {'; '.join(phrases)}" for kind, phrases in kinds if phrases]


def cell_notes(found: PairResult, stages: Mapping[str, Manifest]) -> tuple[str, ...]:
    """What was dropped of all examples that a cell rests on, and what was cut of those that it is scored on: a note a split.

    Cuts of training examples are in the page's table alone: every recipe that has a `max_length` makes some.
    """
    uses = [use for manifest in behind(found, stages) for use in manifest.data]
    return (
        *(f"dropped by the data set's rules: {_drop_phrase(loss)}" for loss in drops(use for use in uses if not _is_made(use))),
        *(f"could not be made: {_drop_phrase(loss)}" for loss in drops(filter(_is_made, uses))),
        *(f"cut: {loss.task} {loss.split}: {_cut_share(loss)} ({reasons(loss.by_reason)})" for loss in cuts(filter(_is_scored, uses))),
    )


def reasons(counts: Mapping[str, int]) -> str:
    """`a sentence is blank: 12; no label: 3`."""
    return "; ".join(f"{reason}: {number:,}" for reason, number in counts.items())


def use_of(manifest: Manifest, task: str, language: str, split: str) -> DataUse | None:
    """What became of examples that a stage measured something on."""
    measured = (use for use in manifest.data if (use.task, use.language, use.split) == (task, language, split) and use.purpose != "train")
    return next(measured, None)


def _is_scored(use: DataUse) -> bool:
    return use.purpose in ("test", "threshold")


def _is_made(use: DataUse) -> bool:
    return use.purpose == "synthetic"


def behind(found: PairResult, stages: Mapping[str, Manifest]) -> Iterable[Manifest]:
    """The evaluations of a cell and all stages that they come from."""
    waiting = [evaluation.manifest for evaluation in found.evaluations]
    found_stages: dict[str, Manifest] = {}
    while waiting:
        manifest = waiting.pop()
        if manifest.key not in found_stages:
            found_stages[manifest.key] = manifest
            waiting += [stages[parent] for parent in manifest.parents if parent in stages]
    return found_stages.values()


def _drop_phrase(loss: Loss) -> str:
    named = ", ".join(loss.languages) if len(loss.languages) <= 3 else f"{len(loss.languages)} languages"
    return f"{loss.task} {loss.split} ({named}): {reasons(loss.by_reason)}"


def _cut_share(loss: Loss) -> str:
    """Examples with two reasons count twice, so that this is an upper bound there."""
    bound = "up to " if len(loss.by_reason) > 1 else ""
    return f"{bound}{min(sum(loss.by_reason.values()), loss.num_examples):,} of {loss.num_examples:,}"
