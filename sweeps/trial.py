"""The body of a Tune trial: one stage, on whichever node Ray placed it."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray import tune

from trainables.lane import Lane
from trainables.manifest import CurvePoint
from trainables.ray_task import WorkerLostError, run_stage_in_task
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store


def run_trial(config: dict[str, Any]) -> None:
    """Runs the job in `config["job"]` in this process, which holds what it needs; reports `point`s and at the end `done` or `error`."""
    try:
        job = Job.model_validate_json(config["job"])
        run_stage(job, Store(job.store, Path(job.cache)), lambda point: tune.report(_result(point)))
    except Exception as error:  # as `_failure` says
        tune.report(_failure(error))
    else:
        tune.report({"done": True})


class TrialOfWorkers(tune.Trainable):
    """Runs the job in `config["job"]` on resources that it asks for itself, for this trial holds a slot alone; results as `run_trial`'s.

    A class, for Tune tells it when its actor is no longer needed: a lane has to be closed before.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """The actor's first stage."""
        self._lane = Lane()
        self._results = _results(config["job"], self._lane)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The next stage; the lane stays open."""
        self._results = _results(new_config["job"], self._lane)
        return True

    def step(self) -> dict[str, Any]:
        """Waits for what there is to report next."""
        return next(self._results)

    def cleanup(self) -> None:
        """The actor has had its last stage."""
        self._lane.close()


def _results(text: str, lane: Lane) -> Iterator[dict[str, Any]]:
    try:
        for point in _run_elsewhere(Job.model_validate_json(text), lane):
            yield _result(point)
    except WorkerLostError:
        raise
    except Exception as error:  # as `_failure` says
        yield _failure(error)
    else:
        yield {"done": True}


def _run_elsewhere(job: Job, lane: Lane) -> Iterator[CurvePoint]:
    if job.num_workers > 1 and job.spec.kind != "synthesize":
        yield from lane.run(job)
        return
    lane.close()  # what follows may need what it holds
    if job.num_workers == 1:
        run_stage_in_task(job)
    else:
        run_stage(job, Store(job.store, Path(job.cache)), _ignore)  # Ray Data has the models; what is left here reads and writes files


def _result(point: CurvePoint) -> dict[str, Any]:
    return {"point": point.model_dump_json()}


def _failure(error: Exception) -> dict[str, Any]:
    """An exception of the stage, which is a result: the driver records it and skips what depends on it.

    It would happen again, so Tune must not retry it; what Tune itself sees as an error is then always the machine's.
    """
    return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc(), "done": True}


def _ignore(_point: CurvePoint) -> None:
    pass
