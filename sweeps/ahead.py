"""Reads ahead: what the next stages need is on the machines with GPUs, as tokens, before a GPU waits for it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trainables.specs import EvaluateSpec, Job, TrainSpec, data_of
from trainables.store import Store


class Ahead(Protocol):
    """Is told of every stage that is handed out: Tune is asked for one more than there is room for, so one of them is to come."""

    def look(self, job: Job, nodes: Sequence[str]) -> None:
        """`nodes` are the machines with GPUs, any of which may be given the stage."""


class NotAhead:
    """Where nobody waits for it."""

    def look(self, job: Job, nodes: Sequence[str]) -> None:
        """Does nothing."""


class ReadAhead:
    """Has a process on each of the machines make ready what a stage reads, beside the one that trains; best effort, one at a time."""

    def __init__(self) -> None:
        self._told: set[tuple[object, ...]] = set()
        self._reading: dict[str, Any] = {}
        """By machine, what is awaited of it."""

    def look(self, job: Job, nodes: Sequence[str]) -> None:
        """Returns at once."""
        if not job.use_gpu or not isinstance(job.spec, TrainSpec | EvaluateSpec):
            return
        inputs = (job.spec.encoder, data_of(job.spec), job.spec.max_length)
        for node in nodes:
            if (node, *inputs) not in self._told and not self._is_reading(node):
                self._told.add((node, *inputs))
                # No CPUs, or it would wait for those that stages hold, and be a reason for the cluster to grow. No actor, for a machine
                # that has one is never idle, and would not be given back.
                place = NodeAffinitySchedulingStrategy(node, soft=False)
                task = ray.remote(_read).options(num_cpus=0, max_retries=0, scheduling_strategy=place)
                self._reading[node] = task.remote(job.model_dump_json())

    def _is_reading(self, node: str) -> bool:
        return node in self._reading and not ray.wait([self._reading[node]], timeout=0)[0]


def _read(text: str) -> None:
    from trainables.stage import make_ready  # seconds to import; the driver only names this function

    job = Job.model_validate_json(text)
    with contextlib.suppress(Exception):  # the stage meets the same, and says so
        make_ready(job, Store(job.store, Path(job.cache)))
