"""The cells of a study's transfer matrices: scores and signed gains with intervals, from the examples that evaluations published.

The score of a target is the mean over its languages of the task's first metric (XTREME's rule, source language included); the
zero-shot score leaves the source language out. A gain is a score minus the baseline's, paired by seed and by example.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from sweeps.report.arms import Arm, Missing, Paired, subtract
from sweeps.report.data_use import cell_notes, stages_of
from sweeps.report.statistics import Estimate, Resampled, estimate, estimate_score, holm, mean
from sweeps.results import BASELINE, LEAK, PairId, PairResult, Published, StudyResult
from trainables.language_kinds import groups_of
from trainables.task import TASKS

SIGNIFICANT = 0.05
"""Holm-adjusted p-values below this are marked."""


class LanguageCell(NamedTuple):
    """One language of a cell."""

    language: str
    score: Estimate
    gain: Estimate | None


class GroupCell(NamedTuple):
    """The mean over several languages of a cell that have a family or a script in common, the source language left out."""

    by: Literal["family", "script"]
    name: str
    languages: tuple[str, ...]
    score: Estimate
    gain: Estimate | None


class Cell(NamedTuple):
    """One cell of a transfer matrix; every number is a fraction of one, gains are signed."""

    pair: PairId
    metric: str | None = None
    source_language: str | None = None
    """That its target trained in."""
    score: Estimate | None = None
    """None if the pair is not finished: `problem` says why."""
    gain: Estimate | None = None
    """None for the baseline itself, and where either arm is missing."""
    baseline: Estimate | None = None
    """The baseline's score, on the seeds that it has."""
    zero_shot: Estimate | None = None
    """The score without the source language; None unless the target has both."""
    zero_shot_gain: Estimate | None = None
    gap: Estimate | None = None
    """Source language minus zero-shot score."""
    languages: tuple[LanguageCell, ...] = ()
    """The source language first."""
    groups: tuple[GroupCell, ...] = ()
    """Families, then scripts, by name; languages that neither is known of are in none."""
    holm_p: float | None = None
    """The gain's p-value, adjusted over the judged gains of its matrix; None where the gain is not judged."""
    chance: float | None = None
    """What guessing scores, where that is defined."""
    is_retrieval: bool = False
    """Nothing was trained on the target, so an encoder has one score."""
    seeds: tuple[int, ...] = ()
    """Of the score."""
    evaluation_keys: tuple[str, ...] = ()
    """One a seed."""
    baseline_keys: tuple[str, ...] = ()
    encoder_keys: tuple[str, ...] = ()
    """The distinct stages whose encoders the seeds began from; empty for weights from a hub or a folder."""
    problem: str | None = None
    """Why a number is missing."""
    notes: tuple[str, ...] = ()
    """What limits the numbers that are there."""
    published: tuple[Published, ...] = ()
    """What others measured of this pair."""

    @property
    def is_baseline(self) -> bool:
        """In the row without intermediate training."""
        return self.pair.intermediate == BASELINE

    @property
    def is_significant(self) -> bool:
        """The gain differs from zero after Holm's correction."""
        return self.holm_p is not None and self.holm_p < SIGNIFICANT

    @property
    def is_leaking(self) -> bool:
        """Its trainings have seen of the examples that it is scored on."""
        return any(note.startswith(LEAK) for note in self.notes)

    @property
    def replicate(self) -> Literal["seed", "encoder"]:
        """What its numbers are repeated over."""
        return "encoder" if self.is_retrieval else "seed"

    @property
    def is_judged(self) -> bool:
        """Whether the interval covers what chance does: not where one seed of a training says nothing about others."""
        return self.gain is not None and (self.gain.num_seeds > 1 or self.is_retrieval)

    @property
    def losing(self) -> tuple[str, ...]:
        """The languages whose own gain has an interval below zero."""
        return tuple(one.language for one in self.languages if self.is_judged and one.gain is not None and one.gain.high < 0)

    @property
    def effect(self) -> Literal["helps", "hurts", "unclear", "unjudged"]:
        """Whether the gain's interval lies above or below zero, or holds it."""
        if self.gain is None or not self.is_judged:
            return "unjudged"
        return "helps" if self.gain.low > 0 else "hurts" if self.gain.high < 0 else "unclear"


def build_cells(result: StudyResult, arms: Mapping[PairId, Arm | Missing]) -> tuple[Cell, ...]:
    """A cell per pair, in the study's order; unfinished and damaged ones say why in `problem`."""
    cells = [_cell(found, arms, result.source_of(found)) for found in result.pairs]
    stages = stages_of(result)
    noted = [
        cell._replace(notes=found.marks + cell.notes + cell_notes(found, stages), published=found.published)
        for found, cell in zip(result.pairs, cells, strict=True)
    ]
    return _with_holm(noted)


def _cell(found: PairResult, arms: Mapping[PairId, Arm | Missing], source_language: str) -> Cell:
    arm = arms[found.pair]
    if isinstance(arm, Missing):
        return Cell(found.pair, problem=arm.reason)
    cell = _score_cell(arm, source_language)
    if cell.is_baseline:
        return cell
    baseline = arms.get(found.baseline, Missing("it is not in the study"))
    if isinstance(baseline, Missing):
        return cell._replace(problem=f"no baseline: {baseline.reason}")
    paired = subtract(arm, baseline)
    if isinstance(paired, Missing):
        return cell._replace(problem=paired.reason)
    return _gain_cell(cell, paired, baseline, source_language)


def _score_cell(arm: Arm, source_language: str) -> Cell:
    scores = {language: score.resampled for language, score in arm.languages.items()}
    score, zero_shot, chance = estimate_score(mean(list(scores.values()))), _zero_shot(scores, source_language), _chance(arm)
    gap = None if zero_shot is None else scores[source_language].minus(zero_shot)._replace(num_examples=score.num_examples)
    encoder_keys = tuple(dict.fromkeys(one.encoder_key for one in arm.evaluations if one.encoder_key is not None))
    notes = []
    if len(arm.seeds) == 1:
        what = "encoder" if arm.is_retrieval else "seed"
        notes.append(
            f"one {what}: the interval covers test examples alone" + ("" if arm.is_retrieval else ", so it says neither helps nor hurts")
        )
    elif arm.pair.intermediate != BASELINE and len(encoder_keys) == 1:
        notes.append(f"its {len(arm.seeds)} seeds begin from one encoder: the interval does not cover chance in the intermediate training")
    if chance is not None and score.low <= chance:
        notes.append(f"not shown to be above chance ({100 * chance:.1f})")
    return Cell(
        pair=arm.pair,
        metric=arm.metric,
        source_language=source_language,
        score=score,
        zero_shot=None if zero_shot is None else estimate_score(zero_shot),
        gap=None if gap is None else estimate(gap),
        languages=tuple(LanguageCell(language, estimate_score(scores[language]), None) for language in _in_order(scores, source_language)),
        groups=tuple(
            GroupCell(group.by, group.name, group.languages, estimate_score(_mean_of(scores, group.languages)), None)
            for group in groups_of(language for language in scores if language != source_language)
        ),
        chance=chance,
        is_retrieval=arm.is_retrieval,
        seeds=arm.seeds,
        evaluation_keys=tuple(evaluation.manifest.key for evaluation in arm.evaluations),
        encoder_keys=encoder_keys,
        notes=tuple(notes),
    )


def _gain_cell(cell: Cell, paired: Paired, baseline: Arm, source_language: str) -> Cell:
    zero_shot_gain = _zero_shot(paired.languages, source_language)
    notes = list(cell.notes)
    if len(paired.seeds) == 1 < len(cell.seeds):
        notes.append(
            "one seed in common with the baseline: the gain's interval covers test examples alone, so it says neither helps nor hurts"
        )
    elif len(paired.seeds) < len(cell.seeds):
        notes.append(f"the gain rests on the seeds that the baseline has too: {', '.join(map(str, paired.seeds))}")
    if len(paired.languages) < len(cell.languages):
        notes.append(f"the gain rests on the languages that the baseline has too: {', '.join(paired.languages)}")
    if not paired.same_examples:
        notes.append("scored on other examples than the baseline: not paired by example, hence a wider interval")
    return cell._replace(
        gain=estimate(mean(list(paired.languages.values()))),
        baseline=estimate_score(mean([score.resampled for score in baseline.languages.values()])),
        zero_shot_gain=None if zero_shot_gain is None else estimate(zero_shot_gain),
        languages=tuple(
            one._replace(gain=estimate(paired.languages[one.language]) if one.language in paired.languages else None)
            for one in cell.languages
        ),
        groups=tuple(
            one._replace(gain=estimate(_mean_of(paired.languages, one.languages)) if {*one.languages} <= {*paired.languages} else None)
            for one in cell.groups
        ),
        baseline_keys=tuple(evaluation.manifest.key for evaluation in baseline.evaluations),
        notes=tuple(notes),
    )


def _zero_shot(by_language: Mapping[str, Resampled], source_language: str) -> Resampled | None:
    others = [one for language, one in by_language.items() if language != source_language]
    return mean(others) if others and len(others) < len(by_language) else None


def _mean_of(by_language: Mapping[str, Resampled], languages: Sequence[str]) -> Resampled:
    return mean([by_language[language] for language in languages])


def _in_order(by_language: Mapping[str, Resampled], source_language: str) -> list[str]:
    return sorted(by_language, key=lambda language: (language != source_language, language))


def _chance(arm: Arm) -> float | None:
    """One in the number of labels or options, for accuracies over a fixed set of them; of tasks whose file still exists."""
    if arm.metric != "accuracy" or arm.pair.target not in TASKS.names:
        return None
    task = TASKS.load(arm.pair.target)
    num_choices = {"classification": len(task.labels), "multiple_choice": task.num_options}.get(task.kind)
    return 1 / num_choices if num_choices else None


def _with_holm(cells: list[Cell]) -> tuple[Cell, ...]:
    """Each judged gain's p-value adjusted over all of the same model and variant."""
    adjusted = dict[PairId, float]()
    for matrix in dict.fromkeys((cell.pair.model, cell.pair.variant) for cell in cells):
        judged = [cell for cell in cells if cell.is_judged and (cell.pair.model, cell.pair.variant) == matrix]
        p_values = {cell.pair: cell.gain.p_value for cell in judged if cell.gain is not None}
        adjusted |= dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return tuple(cell._replace(holm_p=adjusted.get(cell.pair)) for cell in cells)
