"""One stage of one process away from who asks for it: a Ray task."""

from pathlib import Path

import ray
from ray.exceptions import RayError, RayTaskError

from trainables.manifest import CurvePoint, Manifest
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store


class WorkerLostError(Exception):
    """A worker or its machine went away: the same stage may succeed on another one."""


def run_stage_in_task(job: Job) -> Manifest:
    """Runs a stage of one process, which reports nothing, where its CPUs are free, and a GPU if it uses one."""
    assert job.spec.kind != "train", "a training reports as it goes"
    task = ray.remote(_run_alone).options(
        num_cpus=job.num_threads,
        num_gpus=1 if job.use_gpu else 0,
        max_retries=0,  # the walk counts how often a stage is tried
        scheduling_strategy="SPREAD",  # not the placement of the trial that asks, which holds a slot alone
    )
    try:
        return Manifest.model_validate_json(ray.get(task.remote(job.model_dump_json())))
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise WorkerLostError(str(error)) from error


def _run_alone(job: str) -> str:
    read = Job.model_validate_json(job)
    return run_stage(read, Store(read.store, Path(read.cache)), _ignore).model_dump_json()


def _ignore(_point: CurvePoint) -> None:
    pass
