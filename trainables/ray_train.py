"""One stage across several workers by Ray Train; each runs the same `run_stage`, which finds the process group up."""

import contextlib
import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.util.queue import Empty, Queue

from trainables.manifest import CurvePoint, Manifest
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store

_POLL_S = 0.2


def run_stage_on_workers(job: Job, report: Callable[[CurvePoint], None]) -> Manifest:
    """Runs the stage on `job.num_workers` workers of `job.num_threads` CPUs, and a GPU if it uses one; reports from this thread.

    Whoever calls this must hold none of the resources that the workers need, or it waits for itself. The store must be
    reachable from every node: a failed attempt goes on from its progress checkpoints.
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
    except ray.train.WorkerGroupError as error:
        if not error.worker_failures:
            raise
        # what a worker's own code raised is what the reader looks for; Ray's account of all ranks stays as its cause
        raise error.worker_failures[min(error.worker_failures)] from error
    result.filesystem.delete_dir(result.path)  # what Ray Train notes for a resumption that is never asked of it
    manifest = Store(job.store, Path(job.cache)).manifest(job.spec.key)
    assert manifest is not None, "rank 0 has published"
    return manifest


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
