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
    """Has a process on each of the machines make ready what a stage reads, one stage after another, beside the one that trains."""

    def __init__(self) -> None:
        self._readers: dict[str, Any] = {}
        """By machine."""
        self._told: set[tuple[object, ...]] = set()

    def look(self, job: Job, nodes: Sequence[str]) -> None:
        """Returns at once."""
        if not job.use_gpu or not isinstance(job.spec, TrainSpec | EvaluateSpec):
            return
        inputs = (job.spec.encoder, data_of(job.spec), job.spec.max_length)
        for node in nodes:
            if (node, *inputs) not in self._told:
                self._told.add((node, *inputs))
                self._reader(node).read.remote(job.model_dump_json())

    def _reader(self, node: str) -> Any:
        if node not in self._readers:
            # no CPUs, or it would wait for those that stages hold, and be a reason for the cluster to grow
            place = NodeAffinitySchedulingStrategy(node, soft=False)
            self._readers[node] = ray.remote(_Reader).options(num_cpus=0, scheduling_strategy=place).remote()
        return self._readers[node]


class _Reader:
    def read(self, job: str) -> None:
        from trainables.stage import make_ready  # seconds to import; the driver only names this class

        read = Job.model_validate_json(job)
        with contextlib.suppress(Exception):  # the stage meets the same, and says so
            make_ready(read, Store(read.store, Path(read.cache)))
