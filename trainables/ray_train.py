"""One stage away from who asks for it: across several workers by Ray Train, or whole as a Ray task."""

import contextlib
import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
import torch.distributed as dist
from ray.exceptions import RayError, RayTaskError
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError
from ray.util.queue import Empty, Queue

from trainables.manifest import CurvePoint, Manifest
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store

_POLL_S = 0.2


class WorkerLostError(Exception):
    """A worker or its machine went away: the same stage may succeed on another one."""


def run_stage_on_workers(job: Job, report: Callable[[CurvePoint], None]) -> Manifest:
    """Runs the stage on `job.num_workers` workers of `job.num_threads` CPUs, and a GPU if it uses one; reports from this thread.

    Whoever calls this must hold none of the resources that the workers need, or it waits for itself. The store must be
    reachable from every node: a failed attempt goes on from its progress checkpoints. A `WorkerLostError` is the machines' doing;
    what else is raised, a worker raised.
    """
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.1")  # else the end is noticed up to 2 s late
    points = Queue(actor_options={"num_cpus": 0})
    trainer = TorchTrainer(
        _run_worker,
        train_loop_config={"job": job.model_dump_json(), "points": points},
        torch_config=TorchConfig(backend="nccl" if job.use_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=job.num_workers,
            use_gpu=job.use_gpu,
            resources_per_worker={"CPU": job.num_threads} | ({"GPU": 1} if job.use_gpu else {}),
        ),
        # a name of its own for each attempt: Ray Train silently goes on from what it finds under an old one
        run_config=ray.train.RunConfig(name=f"{job.spec.key}-{uuid.uuid4().hex[:8]}", storage_path=_storage_path(job.store)),
    )
    with ThreadPoolExecutor(max_workers=1) as background:
        fitting = background.submit(trainer.fit)
        while not fitting.done() or not points.empty():
            with contextlib.suppress(Empty):
                report(points.get(timeout=_POLL_S))
    points.shutdown()
    try:
        result = fitting.result()
    except ray.train.TrainingFailedError as error:
        # what a worker's own code raised is what the reader looks for; Ray's account of all ranks stays as its cause
        raise _reason(error) from error
    result.filesystem.delete_dir(result.path)  # what Ray Train notes for a resumption that is never asked of it
    manifest = Store(job.store, Path(job.cache)).manifest(job.spec.key)
    assert manifest is not None, "rank 0 has published"
    return manifest


def _reason(error: ray.train.TrainingFailedError) -> Exception:
    """What one worker raised, if none was lost; not what the others raised because that one fell silent."""
    if not isinstance(error, ray.train.WorkerGroupError):
        return WorkerLostError(str(error))
    failures = [error.worker_failures[rank] for rank in sorted(error.worker_failures)]
    own = [failure for failure in failures if not (isinstance(failure, dist.DistError) or "gloo/transport" in str(failure))]
    if not own or any(isinstance(failure, WorkerHealthCheckFailedError | WorkerHealthCheckTimeoutError) for failure in own):
        return WorkerLostError(str(error))
    return own[0]


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


def _run_worker(config: dict[str, Any]) -> None:
    job = Job.model_validate_json(config["job"])
    points: Queue = config["points"]
    if job.use_gpu:
        torch.cuda.set_device(get_device())
    is_first = ray.train.get_context().get_world_rank() == 0
    run_stage(job, Store(job.store, Path(job.cache)), points.put if is_first else _ignore)


def _ignore(_point: CurvePoint) -> None:
    pass


def _storage_path(store: str) -> str:
    return f"{store if '://' in store else Path(store).absolute()}/ray_train"
