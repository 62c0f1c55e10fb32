"""The body of a Tune trial: one stage, on whichever node Ray placed it."""

import traceback
from pathlib import Path
from typing import Any

from ray import tune

from trainables.manifest import CurvePoint
from trainables.ray_train import run_stage_on_workers
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store


def run_trial(config: dict[str, Any]) -> None:
    """Runs the job in `config["job"]`; reports `point`s while it trains and at the end `done` or `error`.

    An exception of the stage is a result: it would happen again, so Tune must not retry it. What Tune itself sees as an error is
    then always the machine's.
    """
    job = Job.model_validate_json(config["job"])
    try:
        if job.num_workers > 1 and job.spec.kind == "train":
            run_stage_on_workers(job, _report)
        else:
            run_stage(job, Store(job.store, Path(job.cache)), _report)
    except Exception as error:  # the one place that catches: the driver records it and skips what depends on it
        tune.report({"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})
    else:
        tune.report({"done": True})


def _report(point: CurvePoint) -> None:
    tune.report({"point": point.model_dump_json()})
