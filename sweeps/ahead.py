"""Reads ahead: what the next stage needs is on the machine with GPUs, as tokens, before a GPU waits for it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trainables.specs import EvaluateSpec, Job, TrainSpec, data_of
from trainables.store import Store


class ReadAhead:
    """Has a process of one machine make ready what the stage reads that was handed out last, beside the ones that train there.

    Tune is asked for one stage of one worker more than there is room for, so that one is the next to start. On several machines nobody
    knows where it will, and to read everywhere would keep machines busy that shall be given back.
    """

    def __init__(self) -> None:
        self._told: set[tuple[object, ...]] = set()
        self._next: Job | None = None
        self._reading: Any = None
        """What is awaited, if anything is."""

    def look(self, job: Job, machines: Sequence[str]) -> None:
        """To be told of every stage that is handed out, and which machines have GPUs; returns at once."""
        if not job.use_gpu or job.num_workers > 1 or len(machines) != 1 or not isinstance(job.spec, TrainSpec | EvaluateSpec):
            return
        inputs = (job.spec.encoder, data_of(job.spec), job.spec.max_length)
        if inputs not in self._told:
            self._told.add(inputs)
            self._next = job
        if self._next is not None and not self._is_reading():
            # no CPUs, or it would wait for those that stages hold, and be a reason for the cluster to grow
            place = NodeAffinitySchedulingStrategy(machines[0], soft=False)
            task = ray.remote(_read).options(num_cpus=0, max_retries=0, scheduling_strategy=place)
            self._reading, self._next = task.remote(self._next.model_dump_json()), None

    def _is_reading(self) -> bool:
        if self._reading is None or not ray.wait([self._reading], timeout=0)[0]:
            return self._reading is not None
        with contextlib.suppress(RayError):  # the stage meets the same, and says so
            ray.get(self._reading)
        self._reading = None
        return False


def _read(text: str) -> None:
    from trainables.stage import make_ready  # seconds to import; the driver only names this function

    job = Job.model_validate_json(text)
    make_ready(job, Store(job.store, Path(job.cache)))
