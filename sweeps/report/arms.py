"""One pair's evaluations as resampled scores per language and seed, and their differences from another pair's.

Legend: `R` resamples, `N` examples, `S` seeds, `K` a metric's columns.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweeps.report.statistics import Draw, Resampled, draw, examples_digest, resample_sums
from sweeps.results import Evaluation, PairId, PairResult, StudyResult
from trainables.manifest import Manifest
from trainables.metrics import METRICS, value_of
from trainables.store import LostArtifactError, Store

_TOLERANCE = 1e-6
"""Between a manifest's number and the same number from its examples."""


class LanguageScore(NamedTuple):
    """One language's score per seed."""

    resampled: Resampled
    digest: str
    """Of the examples, so that it shows whether two arms were scored on the same ones."""


class Arm(NamedTuple):
    """A pair's evaluations, resampled."""

    pair: PairId
    metric: str
    """The task's first, in which evaluations list their measurements."""
    evaluations: tuple[Evaluation, ...]
    """Distinct ones, sorted by seed, which is the order of every seed axis."""
    languages: Mapping[str, LanguageScore]
    is_retrieval: bool
    """Nothing was trained on the target."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """One an evaluation."""
        return tuple(evaluation.seed for evaluation in self.evaluations)


class Missing(NamedTuple):
    """Why there are no numbers."""

    reason: str


class Paired(NamedTuple):
    """An arm minus its baseline."""

    languages: Mapping[str, Resampled]
    """Those that both were scored in."""
    seeds: tuple[int, ...]
    same_examples: bool
    """If not, the draws of the two arms are independent, and the intervals wider."""


def read_arms(result: StudyResult, store: Store) -> dict[PairId, Arm | Missing]:
    """The arms of all pairs; those without numbers say why."""
    arms: dict[PairId, Arm | Missing] = {}
    for target in dict.fromkeys(found.pair.target for found in result.pairs):
        # One target at a time, so that no more than its draws are in memory.
        draws: dict[str, Draw] = {}
        arms |= {found.pair: _read_arm(found, store, draws) for found in result.pairs if found.pair.target == target}
    return arms


def subtract(arm: Arm, baseline: Arm) -> Paired | Missing:
    """The differences, paired by seed; a retrieval baseline of one untrained encoder serves all seeds."""
    if arm.is_retrieval and len(baseline.evaluations) == 1:
        seeds, rows, baseline_rows = arm.seeds, list(range(len(arm.seeds))), [0] * len(arm.seeds)
    else:
        seeds = tuple(seed for seed in arm.seeds if seed in baseline.seeds)
        rows, baseline_rows = [arm.seeds.index(seed) for seed in seeds], [baseline.seeds.index(seed) for seed in seeds]
    languages = [language for language in arm.languages if language in baseline.languages]
    if not seeds:
        return Missing(f"no seed in common with the baseline: {list(arm.seeds)} and {list(baseline.seeds)}")
    if not languages or arm.metric != baseline.metric:
        return Missing("no language and metric in common with the baseline")
    differences = {
        language: arm.languages[language].resampled.of_seeds(rows).minus(baseline.languages[language].resampled.of_seeds(baseline_rows))
        for language in languages
    }
    same_examples = all(arm.languages[language].digest == baseline.languages[language].digest for language in languages)
    return Paired(differences, seeds, same_examples)


def _read_arm(found: PairResult, store: Store, draws: dict[str, Draw]) -> Arm | Missing:
    if not found.evaluations:
        return Missing(_why_unfinished(found))
    evaluations = _distinct(found.evaluations)
    metric = evaluations[0].manifest.measurements[0].metric
    try:
        tables = [_read_examples(store, evaluation.manifest, metric) for evaluation in evaluations]
    except LostArtifactError as error:
        return Missing(f"examples cannot be read: {error}")
    published = [_published(evaluation.manifest, metric) for evaluation in evaluations]
    languages = {language: _language_score(tables, language, metric, draws) for language in published[0]}
    for seed_index, evaluation in enumerate(evaluations):
        recomputed = {language: float(score.resampled.measured_S[seed_index]) for language, score in languages.items()}
        if not _agree(published[seed_index], recomputed):
            return Missing(f"the examples of {evaluation.manifest.key} do not give the {metric} that its manifest says")
    return Arm(found.pair, metric, evaluations, languages, is_retrieval=not found.trials)


def _distinct(evaluations: tuple[Evaluation, ...]) -> tuple[Evaluation, ...]:
    """By seed, each stage once: for retrieval, seeds that share an encoder share its evaluation and are no replicates."""
    by_key: dict[str, Evaluation] = {}
    for evaluation in sorted(evaluations, key=lambda one: one.seed):
        by_key.setdefault(evaluation.manifest.key, evaluation)
    return tuple(by_key.values())


def _why_unfinished(found: PairResult) -> str:
    if found.problem is not None:
        return found.problem
    return f"not finished: {len(found.trials)} trainings so far" if found.trials else "not started"


def _read_examples(store: Store, manifest: Manifest, metric: str) -> pa.Table:
    columns = ["language", "example_id", *METRICS[metric].columns]
    return pq.read_table(store.fetch(manifest.key) / "examples.parquet", columns=columns, use_threads=False)


def _published(manifest: Manifest, metric: str) -> dict[str, float]:
    return {one.language: one.value for one in manifest.measurements if one.metric == metric}


def _agree(published: Mapping[str, float], recomputed: Mapping[str, float]) -> bool:
    if published.keys() != recomputed.keys():
        return False
    return all(abs(published[language] - recomputed[language]) < _TOLERANCE for language in published)


def _language_score(tables: list[pa.Table], language: str, metric: str, draws: dict[str, Draw]) -> LanguageScore:
    """One language's score per seed; seeds that were scored on the same examples share their draws."""
    columns = METRICS[metric].columns
    measured, resampled, digests, num_examples = [], [], [], 0
    for table in tables:
        rows = table.filter(pc.equal(table["language"], language))
        digest = examples_digest(language, rows["example_id"].to_pylist())
        if digest not in draws:
            draws[digest] = draw(digest, len(rows))
        statistics_NK = np.stack([rows[column].to_numpy() for column in columns], axis=1).astype(np.float64)
        measured.append(value_of(metric, columns, statistics_NK.sum(axis=0)))
        resampled.append(value_of(metric, columns, resample_sums(draws[digest], statistics_NK)))
        digests.append(digest)
        num_examples = len(rows)
    score = Resampled(np.array(measured, dtype=np.float64), np.stack(resampled, axis=1), num_examples)
    return LanguageScore(score, " ".join(dict.fromkeys(digests)))
