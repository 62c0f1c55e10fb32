"""The body of a Tune trial whose stage is of several workers; apart, for what they need takes seconds to import."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray import tune

from sweeps.trial import trial_failure, trial_interruption, trial_result
from trainables.interruption import InterruptedStageError
from trainables.lane import Lane
from trainables.manifest import CurvePoint
from trainables.ray_task import WorkerLostError, run_stage_in_task
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store


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
            yield trial_result(point)
    except InterruptedStageError as error:
        yield trial_interruption(error)
        raise
    except WorkerLostError:
        raise
    except Exception as error:  # as `trial_failure` says
        yield trial_failure(error)
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


def _ignore(_point: CurvePoint) -> None:
    pass
