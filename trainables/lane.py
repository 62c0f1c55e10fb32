"""Workers that take stage after stage: one Ray Train run held open, so that imports, process groups and what stages keep stay warm."""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.fs as pafs
import ray
import ray.train
import torch
import torch.distributed as dist
from ray._private.state import state
from ray.core.generated.gcs_pb2 import PlacementGroupTableData
from ray.exceptions import RayError
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.queue import Empty, Queue

from trainables.manifest import CurvePoint
from trainables.ranks import as_first_says, gathered, is_first
from trainables.ray_notices import notices
from trainables.ray_task import WorkerLostError
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store

IDLE_S = 5.0
"""A lane that has had no stage for so long gives its resources back."""
GROW_WITHIN_S = 180.0
"""A lane that makes do with fewer workers waits no longer for more: about what a machine of a cloud needs to come."""
_POLL_S = 0.2
_FREE_EVERY_S = 30.0
"""While a stage says nothing: it may wait for what a lane holds that died after it had looked."""


class _Shape(NamedTuple):
    """What workers have for as long as they live."""

    num_workers: int
    num_threads: int
    use_gpu: bool

    @property
    def of_each(self) -> dict[str, float]:
        """Resources of a worker, as Ray names them."""
        return {"CPU": float(self.num_threads)} | ({"GPU": 1.0} if self.use_gpu else {})


class _Group(NamedTuple):
    """Workers of one shape, and the ways to and from the first of them."""

    shape: _Shape
    jobs: Queue
    """Jobs as JSON; None sends the workers home."""
    said: Queue
    """The points of a stage as they come, then None: all workers are done with it."""
    fitting: Future[None]
    """The Ray Train run."""


class Lane:
    """A place for stages of several workers, one after another; holds resources from a stage's start until it has been idle for a while."""

    def __init__(self, idle_s: float = IDLE_S, grow_within_s: float = GROW_WITHIN_S) -> None:
        self._idle_s, self._grow_within_s = idle_s, grow_within_s
        self._group: _Group | None = None
        self._timer: threading.Timer | None = None
        self._is_busy = False

    def run(self, job: Job) -> Iterator[CurvePoint]:
        """Runs the stage on `job.num_workers` workers of `job.num_threads` CPUs, and a GPU if it uses one; yields its dev evaluations.

        Of a job that makes do with fewer they are as many as there is room for when the lane opens, or finds more room for the next stage.

        Whoever calls this must hold none of the resources that the workers need, or it waits for itself. The store must be
        reachable from every node: a failed attempt goes on from its progress checkpoints. A `WorkerLostError` is the machines'
        doing, an `InterruptedStageError` was asked for; what else is raised, a worker raised. After each of them the next stage gets
        new workers: where one rank raised, the others may be left in the middle of a collective.
        """
        self._stop_timer()
        shape = _Shape(job.num_workers, job.num_threads, job.use_gpu)
        fewest = job.fewest_workers or job.num_workers
        if self._group is not None and not _serves(self._group, shape, fewest):
            self._close()
        self._group = group = self._group or _open(shape, fewest, self._grow_within_s, job.store)
        self._is_busy = True
        try:
            group.jobs.put(job.model_copy(update={"num_workers": group.shape.num_workers}).model_dump_json())
            yield from _points(group)
        except (ray.train.TrainingFailedError, RayError) as error:
            self._discard()
            # what a worker's own code raised is what the reader looks for; Ray's account of all ranks stays as its cause
            raise _reason(error) from error
        self._is_busy = False
        self._start_timer()

    def close(self) -> None:
        """Sends the workers home and waits until what they held is free. Nothing in the middle of a stage: then this process is ending."""
        self._stop_timer()
        if not self._is_busy:
            self._close()

    def _close(self) -> None:
        """Cooperative: a run that is stopped from outside leaves its placement group behind."""
        if self._group is not None:
            with contextlib.suppress(ray.train.TrainingFailedError, RayError):  # a worker that was lost while idle: nothing is held
                self._group.jobs.put(None)
                self._group.fitting.result()
            self._discard()

    def _discard(self) -> None:
        assert self._group is not None
        group, self._group, self._is_busy = self._group, None, False
        for queue in (group.jobs, group.said):
            queue.shutdown(force=True)
        group.fitting.exception()  # waits: workers without queues do not live on

    def _start_timer(self) -> None:
        self._timer = threading.Timer(self._idle_s, self._close)
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        """Afterwards only the caller touches the group: the timer did not begin to close it, or is done."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None


def _serves(group: _Group, wanted: _Shape, fewest: int) -> bool:
    """Whether a stage is to run on these workers: alive, of its kind, all that it wants, or enough while there is no room for all."""
    number = group.shape.num_workers
    if group.fitting.done() or group.shape != wanted._replace(num_workers=number):  # done: lost while it was idle
        return False
    return number == wanted.num_workers or fewest <= number < wanted.num_workers - _num_fitting(wanted)


def _num_fitting(shape: _Shape) -> int:
    """Workers of this kind that the cluster has room for now."""
    free = ray.available_resources()
    return int(min(free.get(name, 0) // amount for name, amount in shape.of_each.items()))


def _find_room(shape: _Shape, fewest: int, within_s: float) -> _Shape:
    """With as many workers as there is room for when it was asked for all of them, which makes a cluster grow, for so long."""
    if fewest == shape.num_workers:
        return shape
    group = placement_group([shape.of_each] * shape.num_workers)
    try:
        if group.wait(within_s):
            return shape
    finally:
        remove_placement_group(group)
    return shape._replace(num_workers=min(max(_num_fitting(shape), fewest), shape.num_workers))


def _open(wanted: _Shape, fewest: int, grow_within_s: float, store: str) -> _Group:
    _free_orphans()
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.1")  # else the end is noticed up to 2 s late
    os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"  # it would start the workers anew, who know nothing of the stage
    jobs, said = (Queue(actor_options={"num_cpus": 0}) for _ in range(2))
    shape = _find_room(wanted, fewest, grow_within_s)
    # a name of its own for each: Ray Train silently goes on from what it finds under an old one
    name, folder = f"lane-{uuid.uuid4().hex[:12]}", f"{store if '://' in store else Path(store).absolute()}/ray_train"
    trainer = TorchTrainer(
        _take_stages,
        train_loop_config={"jobs": jobs, "said": said, "use_gpu": shape.use_gpu},
        torch_config=TorchConfig(backend="nccl" if shape.use_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=shape.num_workers,
            use_gpu=shape.use_gpu,
            resources_per_worker=shape.of_each,
        ),
        run_config=ray.train.RunConfig(name=name, storage_path=folder),
    )
    fitting: Future[None] = Future()
    # a daemon: a process that ends must not wait for its lane
    threading.Thread(target=_fit, args=(trainer, f"{folder}/{name}", fitting), name=name, daemon=True).start()
    return _Group(shape, jobs, said, fitting)


def _fit(trainer: TorchTrainer, folder: str, fitting: Future[None]) -> None:
    try:
        try:
            trainer.fit()
        finally:
            file_system, path = pafs.FileSystem.from_uri(folder)
            file_system.delete_dir(path)  # what Ray Train notes for a resumption that is never asked of it
    except Exception as error:  # whoever waits for the run gets it
        fitting.set_exception(error)
    else:
        fitting.set_result(None)


def _points(group: _Group) -> Iterator[CurvePoint]:
    """What the first worker says of a stage, until all are done with it; raises what ended the run, if it did."""
    freed_at_s = time.monotonic()
    while True:
        if time.monotonic() - freed_at_s >= _FREE_EVERY_S:
            _free_orphans()
            freed_at_s = time.monotonic()
        is_over = group.fitting.done()  # asked first: what was said before the end is read before it is raised
        with contextlib.suppress(Empty):
            point = group.said.get(timeout=_POLL_S)
            if point is None:
                return
            yield point
            continue
        if is_over:
            group.fitting.result()
            raise AssertionError("workers go home when they are told to, and then no stage is under way")


def _take_stages(config: dict[str, Any]) -> None:
    """The body of a worker: every rank runs each stage that the first is handed."""
    if config["use_gpu"]:
        torch.cuda.set_device(get_device())
    while (text := as_first_says(config["jobs"].get() if is_first() else None)) is not None:
        job = Job.model_validate_json(text)
        run_stage(job, Store(job.store, Path(job.cache)), config["said"].put if is_first() else _ignore, notices())
        gathered(None)  # what one raises after the first has published still belongs to this stage
        if is_first():
            config["said"].put(None)


def _free_orphans() -> None:
    """Gives back what lanes held whose process was killed: a placement group outlives the actor that asked for it, for as long as the job.

    Ray Train's own cleaner needs Ray's dashboard, which a local cluster goes without, and comes up later than the workers.
    """
    job = ray.get_runtime_context().get_job_id()
    for content in state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(content)
        is_of_an_actor = group.creator_actor_id != ray.ActorID.nil().binary()  # else of the driver, whose actor counts as dead
        is_held = group.state != PlacementGroupTableData.REMOVED
        if is_held and is_of_an_actor and group.creator_actor_dead and group.creator_job_id.hex() == job:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))


def _ignore(_point: CurvePoint) -> None:
    pass


def _reason(error: Exception) -> Exception:
    """What one worker raised, if none was lost; not what the others raised because that one fell silent."""
    if not isinstance(error, ray.train.WorkerGroupError):
        return WorkerLostError(str(error))
    failures = [error.worker_failures[rank] for rank in sorted(error.worker_failures)]
    own = [failure for failure in failures if not (isinstance(failure, dist.DistError) or "gloo/transport" in str(failure))]
    lost = WorkerHealthCheckFailedError | WorkerHealthCheckTimeoutError | RayError
    return WorkerLostError(str(error)) if not own or any(isinstance(failure, lost) for failure in own) else own[0]
