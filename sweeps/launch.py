"""Runs a walk on a Ray cluster: one Tuner for the whole plan, actors kept warm from stage to stage."""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sweeps.brakes import Brakes
from sweeps.gpu_share import GpuShares
from sweeps.journal import Journal
from sweeps.leases import Leases
from sweeps.node_types import NodeTypes, node_types
from sweeps.node_watch import NodeWatch
from sweeps.orders import RunCancelledError
from sweeps.plan import Request
from sweeps.study import Resources, StudyError
from sweeps.walk import Walk
from trainables.interruption import InterruptedStageError
from trainables.scratch import scratch_folder
from trainables.specs import Job
from trainables.store import Store

_ENVIRONMENT = {
    # Without it each report of Ray Train costs 2 s.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    # Tune would write CSV, JSON and TensorBoard files for every trial, and pickle its state every few seconds; the store has it all.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A local Ray would start a worker for each core, but Tune's have another environment and start anew.
    "RAY_prestart_worker_first_driver": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
_ASKED_FOR = 64
"""Stages that a cluster is asked for at once that may grow nobody knows how far."""
_DRIVER_SLOTS = 64
"""Stages of many workers that may be under way at once: their own trials hold nothing else, or they would wait for each other."""


_ANSWERS_WITHIN_S = 10.0


@contextmanager
def cluster(resources: Resources) -> Iterator[int]:
    """A Ray cluster, and how many stages to ask it for at once: the one at `RAY_ADDRESS`, else one that lives as long as this block."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray  # seconds to import: verbs that run nothing never pay for it

    address = os.environ.get("RAY_ADDRESS")
    if address:
        try:
            _check_answers(address)
            ray.init(address=address, log_to_driver=False, logging_level="error", runtime_env={"env_vars": _ENVIRONMENT})
        except OSError as error:
            raise StudyError(f"RAY_ADDRESS {address}: {error}; start a cluster there, or unset it to run on this machine") from None
    else:
        ray.init(
            address="local",
            num_cpus=len(os.sched_getaffinity(0)),
            resources={"driver_slot": _DRIVER_SLOTS},
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
        )
    try:
        found = ray.cluster_resources()
        types = node_types() if address else None
        if not address:
            _check_machine(resources, found)
        elif types is not None:
            check_node_types(resources, types)
        yield resources.max_concurrent or num_asked_for(resources, found, types, may_grow=bool(address))
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raises an OSError if nobody listens at a host's port; Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S).close()


def run_walk(
    walk: Walk,
    resources: Resources,
    num_at_once: int,
    store: Store,
    make_job: Callable[[Request, float], Job],
    journal: Journal,
    leases: Leases,
    brakes: Brakes,
) -> str | None:
    """Runs every stage of the walk, so many at once, until the end or until the brakes stop it; returns why these did."""
    import ray  # as in `cluster`
    from ray.tune import CheckpointConfig, RunConfig, TuneConfig, Tuner

    from sweeps.plan_searcher import PlanSearcher, Steps

    nodes = NodeWatch(ray.nodes, _worker(resources, resources.least_gpus))
    shares = GpuShares(resources.gpus_per_worker)
    searcher = PlanSearcher(walk, store, make_job, journal, shares, leases, brakes, nodes)
    with scratch_folder() as scratch:
        tuner = Tuner(
            _trial(resources),
            tune_config=TuneConfig(
                search_alg=searcher,
                num_samples=10**9,
                max_concurrent_trials=num_at_once,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
                trial_name_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=RunConfig(
                name="tune",
                storage_path=str(scratch.resolve()),
                verbose=0,
                callbacks=[Steps(searcher)],
                checkpoint_config=CheckpointConfig(checkpoint_at_end=False),  # the stages' own are in the store
            ),
        )
        with _expected_left_out():
            try:
                tuner.fit()
            except RunCancelledError:  # whatever still runs ends with the connection to the cluster
                return "it was told to cancel"
    return searcher.paused


@contextmanager
def _expected_left_out() -> Iterator[None]:
    """Without Tune's tracebacks of what the driver says in a line; of workers that are lost there is no other account."""

    def is_news(record: logging.LogRecord) -> bool:
        is_interruption = record.exc_info is not None and isinstance(record.exc_info[1], InterruptedStageError)
        return not is_interruption and "Trials did not complete" not in record.getMessage()

    loggers = [logging.getLogger(f"ray.tune.{name}") for name in ("execution.tune_controller", "tune")]
    for logger in loggers:
        logger.addFilter(is_news)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_news)


def _trial(resources: Resources) -> Any:
    """The body of a trial and what it holds: the resources of its stage; or, where stages are of several workers, a slot alone.

    Ray Train gathers the workers of a stage all at once, and a task holds what it needs while it lasts. So whoever waits holds nothing that
    others wait for.
    """
    from ray.tune import PlacementGroupFactory, with_resources

    from sweeps.trial import run_trial

    if resources.workers > 1:
        from sweeps.trial_of_workers import TrialOfWorkers  # seconds to import

        return with_resources(TrialOfWorkers, PlacementGroupFactory([{"driver_slot": 1}]))
    return with_resources(run_trial, lambda config: PlacementGroupFactory([{"CPU": resources.cpus_per_worker, "GPU": config["gpus"]}]))


def num_asked_for(resources: Resources, found: Mapping[str, float], types: NodeTypes | None, *, may_grow: bool) -> int:
    """Stages that the cluster is asked for at once: as many as it can hold, or come to, and one more so that none waits for the driver.

    What is asked for and has no place yet is what makes a cluster grow, and holds nothing. Of stages of several workers no more than can
    be held are asked for: one more would wait for as long as the others have something to do, for they keep their lanes.
    """
    worker = _worker(resources, resources.least_gpus)
    now = int(min(found.get(name, 0) // (amount * resources.workers) for name, amount in worker.items() if amount > 0))
    if types is not None:
        now = max(now, types.num_fitting(worker) // resources.workers)
    elif may_grow:
        now = max(now, _ASKED_FOR)
    return max(now, 1) if resources.workers > 1 else 1 + now


def most_at_once(resources: Resources) -> int:
    """Stages that can run at the same time, as far as this machine, or the cluster at `RAY_ADDRESS`, says before anything runs."""
    cpus = resources.cpus_per_worker * resources.workers
    if not os.environ.get("RAY_ADDRESS"):
        held = max(len(os.sched_getaffinity(0)) // cpus, 1)
        return min(resources.max_concurrent or held, held)
    types = node_types()
    grown = _ASKED_FOR if types is None else max(types.num_fitting(_worker(resources, resources.least_gpus)) // resources.workers, 1)
    return resources.max_concurrent or grown


def check_node_types(resources: Resources, types: NodeTypes) -> None:
    """Refuses a stage that no node of a cluster that grows can ever serve."""
    worker = _worker(resources, resources.most_gpus)
    if types.num_fitting(worker) >= resources.fewest_workers:
        return
    there = "; ".join(f"{kind.max_nodes} {kind.name} of {_amounts(kind.resources)}" for kind in (types.head, *types.workers))
    raise StudyError(
        f"resources: {resources.fewest_workers} workers need {_amounts(worker)} each, but the most that this cluster grows to is {there}; "
        "lower cpus_per_worker, gpus_per_worker or workers, or launch a cluster that has them"
    )


def _check_machine(resources: Resources, found: Mapping[str, float]) -> None:
    """Refuses a stage that this machine can never hold."""
    for field, name, need in (
        ("cpus_per_worker", "CPU", resources.cpus_per_worker * resources.workers),
        ("gpus_per_worker", "GPU", resources.most_gpus * resources.workers),
    ):
        if need > found.get(name, 0):
            raise StudyError(
                f"resources.{field}: a stage needs {need:g} {name}s for {resources.workers} workers, "
                f"but this machine has {found.get(name, 0):g}; lower it, or set RAY_ADDRESS to a cluster that has them"
            )


def _worker(resources: Resources, gpus: float) -> dict[str, float]:
    return {"CPU": resources.cpus_per_worker, "GPU": gpus}


def _amounts(resources: Mapping[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs"
