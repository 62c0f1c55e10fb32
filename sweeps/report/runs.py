"""What a cell opens: the runs that it rests on, and those of its search; each with its spec and its manifest."""

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sweeps.report import wording
from sweeps.report.cells import Cell
from sweeps.report.data_use import behind, stages_of
from sweeps.report.pareto import Pareto, frontier
from sweeps.report.searches import describe
from sweeps.results import PairResult, StudyResult, Trial
from trainables.manifest import Manifest


class Run(NamedTuple):
    """One stage."""

    role: str
    seed: int | None
    point: str
    """Its hyperparameters; empty where none are searched."""
    outcome: str
    manifest: Manifest


def runs_of(found: PairResult, stages: Mapping[str, Manifest], names: Mapping[str, str]) -> tuple[Run, ...]:
    """Evaluations, then target trainings, the selected point's first, then encoders, which have `names` by their keys."""
    evaluations = [Run("evaluation", each.seed, "", _test_score(each.manifest), each.manifest) for each in found.evaluations]
    trials = sorted(found.trials, key=lambda trial: not _is_selected(trial, found))
    trainings = [Run("target training", trial.seed, describe(trial.point), _dev_score(trial, found), trial.manifest) for trial in trials]
    listed = {run.manifest.key for run in (*evaluations, *trainings)}
    started_from = {key: stages[key] for each in found.evaluations if (key := each.encoder_key) in stages and key is not None}
    reached = started_from | {manifest.key: manifest for manifest in behind(found, stages)}
    encoders = [Run(names.get(key, "encoder"), None, "", "", manifest) for key, manifest in reached.items() if key not in listed]
    return (*evaluations, *trainings, *sorted(encoders, key=lambda run: (run.role, run.manifest.key)))


def cost_points(result: StudyResult, cells: Sequence[Cell]) -> tuple[Pareto, ...]:
    """Each scored cell's accuracy against the device time of all its runs; what cells share counts in full in each."""
    stages = stages_of(result)
    points = {
        cell.pair: (sum(run.manifest.cost.device_seconds for run in runs_of(found, stages, {})), cell.score)
        for found, cell in zip(result.pairs, cells, strict=True)
        if cell.score is not None
    }
    return frontier({pair: (seconds, score) for pair, (seconds, score) in points.items() if seconds > 0})


def names_of(result: StudyResult) -> dict[str, str]:
    """The shared stages' names by their keys."""
    return {manifest.key: name for name, manifest in result.encoders.items()}


def packed_manifests(runs: Iterable[Run]) -> str:
    """Each manifest once, by its key, as in the store, but for whether its files are still there: losers lose theirs after a report.

    JSON in gzip in base 64, for there may be thousands, and they are mostly alike.
    """
    manifests = {run.manifest.key: json.loads(run.manifest.model_dump_json(exclude={"files_dropped"})) for run in runs}
    return base64.b64encode(gzip.compress(json.dumps(manifests).encode(), mtime=0)).decode()


def _is_selected(trial: Trial, found: PairResult) -> bool:
    return found.selected is not None and dict(trial.point) == dict(found.selected)


def _dev_score(trial: Trial, found: PairResult) -> str:
    status = "selected" if _is_selected(trial, found) else "pruned" if trial.is_pruned else ""
    score = "" if trial.manifest.score is None else f"dev {wording.points(trial.manifest.score)}"
    return ", ".join(part for part in (score, status) if part)


def _test_score(manifest: Manifest) -> str:
    """The mean over the languages of the first metric."""
    metric = next((one.metric for one in manifest.measurements), None)
    values = [one.value for one in manifest.measurements if one.metric == metric]
    return f"{metric} {wording.points(sum(values) / len(values))}" if values else ""
