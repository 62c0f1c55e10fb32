"""The body of a Tune trial: one stage, on whichever node Ray placed it."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune

from trainables.manifest import CurvePoint, Manifest
from trainables.ray_train import WorkerLostError, run_stage_in_task, run_stage_on_workers
from trainables.specs import Job
from trainables.stage import Report, run_stage
from trainables.store import Store


def run_trial(config: dict[str, Any]) -> None:
    """Runs the job in `config["job"]` in this process, which holds what it needs."""
    _run(config, _run_here)


def run_trial_of_workers(config: dict[str, Any]) -> None:
    """Runs the job in `config["job"]` on resources that it asks for itself, for this trial holds a slot alone."""
    _run(config, _run_elsewhere)


def _run_here(job: Job, report: Report) -> Manifest:
    return run_stage(job, Store(job.store, Path(job.cache)), report)


def _run_elsewhere(job: Job, report: Report) -> Manifest:
    if job.num_workers == 1:
        return run_stage_in_task(job)
    if job.spec.kind == "synthesize":
        return _run_here(job, report)  # Ray Data has the models; what is left here reads and writes files
    return run_stage_on_workers(job, report)


def _run(config: dict[str, Any], run: Callable[[Job, Report], Manifest]) -> None:
    """Reports `point`s while the stage trains and at the end `done` or `error`.

    An exception of the stage is a result: it would happen again, so Tune must not retry it. What Tune itself sees as an error is
    then always the machine's.
    """
    try:
        run(Job.model_validate_json(config["job"]), _report)
    except WorkerLostError:
        raise
    except Exception as error:  # the one place that catches: the driver records it and skips what depends on it
        tune.report({"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})
    else:
        tune.report({"done": True})


def _report(point: CurvePoint) -> None:
    tune.report({"point": point.model_dump_json()})
