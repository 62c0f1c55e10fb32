"""The plan as a search algorithm of Ray Tune: Tune asks for trials, the walk answers with stages that are ready."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from sweeps.ahead import ReadAhead
from sweeps.brakes import Brakes
from sweeps.gpu_share import GpuShares
from sweeps.journal import Journal
from sweeps.leases import Leases
from sweeps.node_watch import NodeWatch
from sweeps.plan import Request
from sweeps.retries import Cause
from sweeps.walk import Walk
from trainables.interruption import Reason
from trainables.manifest import CurvePoint
from trainables.ray_notices import stop_workers
from trainables.specs import Job
from trainables.store import Store

MAX_RETRIES: Mapping[Cause, int] = {"worker lost": 2, "node lost": 10, "files damaged": 2}
"""Times that a stage is tried again, each cause counted for itself: that its worker dies may be its own doing, for example by the memory
that it needs; that a machine goes away hardly ever is."""
_GONE: Mapping[Cause, str] = {
    "worker lost": "worker was lost {} times, for example by running out of memory",
    "node lost": "node was lost {} times",
}
LOOK_EVERY_S = 2.0
"""After which it is seen whether other drivers have finished what they build."""
_SETTLE_EVERY = 1000
"""Stages after which all that is known so far is taken for lasting: to look through it for garbage holds the driver up for seconds,
once there are tens of thousands."""


class _HandedOut(NamedTuple):
    """A stage that a trial has."""

    request: Request
    num_devices: float
    began_s: float


class _Lost(NamedTuple):
    """A stage whose worker fell silent."""

    request: Request
    began_s: float
    lost_s: float


class PlanSearcher(Searcher):
    """Hands out what is ready, `None` while everything waits, `FINISHED` at the end; keeps no state that the store does not have."""

    def __init__(
        self,
        walk: Walk,
        store: Store,
        make_job: Callable[[Request, float], Job],
        journal: Journal,
        shares: GpuShares,
        leases: Leases,
        brakes: Brakes,
        nodes: NodeWatch,
    ) -> None:
        super().__init__()
        self._walk = walk
        self._store = store
        self._make_job = make_job
        self._journal = journal
        self._shares = shares
        self._leases = leases
        self._brakes = brakes
        self._nodes = nodes
        self._ahead = ReadAhead()
        self._elsewhere: dict[str, Request] = {}
        """Stages that other drivers build."""
        self._looked_at_s = time.monotonic()
        self._handed_out: dict[str, _HandedOut] = {}
        """By trial."""
        self._interrupted: dict[str, Reason] = {}
        """By trial, of those that kept a checkpoint and are about to end."""
        self._lost: list[_Lost] = []
        """Of which it is not known yet whether a node went with them."""
        self._num_tries: Counter[tuple[str, Cause]] = Counter()
        self._num_ended = 0
        self._told_to_end = False
        self.paused: str | None = None
        """Why the run ended before its plan did."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next stage's job, and the GPUs that it holds."""
        self.brake()
        if self.paused is not None:
            return None if self._handed_out else str(self.FINISHED)
        request = self._next()
        if request is None:
            assert self._walk.is_finished or self._walk.is_running, "a plan that is not finished has something ready or running"
            return str(self.FINISHED) if self._walk.is_finished else None
        gpus = self._shares.of(request)
        job = self._make_job(request, gpus)
        self._handed_out[trial_id] = _HandedOut(request, job.num_devices, time.monotonic())
        self._journal.started(request)
        self._ahead.look(job, self._nodes.with_gpus)
        return {"job": job.model_dump_json(), "gpus": gpus}

    def brake(self) -> None:
        """Sees whether no stage may start any more, though there is one; those under way are asked to end if they have to."""
        if (spent := self._brakes.near()) is not None:
            self._journal.near_limit(spent)
        stop = None if self._walk.is_finished else self._brakes.stop()
        if stop is not None and stop.ends_stages and not self._told_to_end:
            stop_workers()
            self._told_to_end = True
        self.paused = None if stop is None else stop.reason

    def _next(self) -> Request | None:
        """A stage that may start, and that nobody else builds or has built meanwhile."""
        if (lack := self._nodes.look()) is not None:
            self._journal.note(lack)
        self._look_elsewhere()
        while (request := self._walk.next()) is not None:
            holder = self._leases.take(request.key)
            if holder is not None:
                self._elsewhere[request.key] = request
                self._journal.elsewhere(request, holder)
            elif not self._is_built(request):
                return request
        return None

    def _look_elsewhere(self) -> None:
        """Takes up what other drivers have finished, or left, and what was lost if its cause is known by now."""
        if time.monotonic() - self._looked_at_s < LOOK_EVERY_S:
            return
        self._settle_lost()
        for key, request in tuple(self._elsewhere.items()):
            if self._leases.take(key) is None:
                del self._elsewhere[key]
                if not self._is_built(request):
                    self._walk.retry(key)
        self._looked_at_s = time.monotonic()

    def _is_built(self, request: Request) -> bool:
        """Whether another driver has put a stage, which this one was about to build, into the store."""
        manifest = self._store.manifest(request.key)
        if manifest is None or not self._walk.is_answer(request, manifest):
            return False
        self._leases.give_back(request.key)
        self._walk.finish(request.key, manifest, was_cached=True)
        self._journal.settle()
        return True

    def on_trial_start(self, trial_id: str) -> None:
        """A stage has what it needs; `Steps` tells."""
        self._brakes.began(trial_id, self._handed_out[trial_id].num_devices)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A dev evaluation, or that the stage is interrupted."""
        if "point" in result:
            self._journal.reported(self._handed_out[trial_id].request, CurvePoint.model_validate_json(result["point"]))
        if "interrupted" in result:
            self._interrupted[trial_id] = result["interrupted"]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The end of a stage: in the store, interrupted, failed by its own doing, or lost with its machine."""
        request, _, began_s = self._handed_out.pop(trial_id)
        key = request.key
        result = result or {}
        manifest = None if error or "error" in result else self._store.manifest(key)
        self._brakes.ended(trial_id, None if manifest is None else manifest.cost.device)
        interruption = self._interrupted.pop(trial_id, None)
        if manifest is not None:
            self._shares.learn(request, manifest)
            self._walk.finish(key, manifest)
        elif interruption is not None:
            if interruption == "node reclaimed":
                self._journal.retried(request, interruption)
            self._walk.retry(key)
        elif "lost" in result and self._may_try_again(key, "files damaged"):
            self._remake(result["lost"], key)
        elif "error" in result:
            self._walk.fail(key, result["error"])
        elif not error:
            self._walk.fail(key, f"it ended, but {self._store.uri} has no manifest of it; is the store the same for every node?")
        else:
            self._lost.append(_Lost(request, began_s, time.monotonic()))
            self._settle_lost()
        self._leases.give_back(key)
        self._journal.settle()
        self._num_ended += 1
        if self._num_ended % _SETTLE_EVERY == 0:
            gc.collect()
            gc.freeze()

    def _settle_lost(self) -> None:
        """Tries again what was lost, or gives it up, as soon as the cause is known: until then a new try might be sent to a dead node."""
        lost, self._lost = self._lost, []
        for each in lost:
            cause = self._nodes.cause(each.began_s, each.lost_s)
            if cause is None:
                self._lost.append(each)
            elif self._may_try_again(each.request.key, cause):
                self._journal.retried(each.request, cause)
                self._walk.retry(each.request.key)
            else:
                self._walk.fail(each.request.key, f"its {_GONE[cause].format(MAX_RETRIES[cause] + 1)}")
        if len(self._lost) < len(lost):
            self._journal.settle()

    def _may_try_again(self, key: str, cause: Cause) -> bool:
        self._num_tries[key, cause] += 1
        return self._num_tries[key, cause] <= MAX_RETRIES[cause]

    def _remake(self, lost: tuple[str, str | None], child: str) -> None:
        """The files that a stage needs of another are not there, or not as some attempt published them."""
        parent, attempt = lost
        found = self._store.manifest(parent)
        if found is not None and not found.files_dropped:
            if found.attempt != attempt:
                self._walk.retry(child)  # they were made again while the stage looked at the old ones
                return
            self._store.quarantine(parent)
        request = self._walk.remake(parent, child)
        if request is not None:
            self._journal.retried(request, "files damaged")

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles its parts so that it could restore them, and a walk holds generators."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a study is continued from the store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a study is continued from the store."""


class Steps(Callback):
    """Tells the searcher what Tune tells no searcher: trials that start, and that time passes while every place is taken."""

    def __init__(self, searcher: PlanSearcher) -> None:
        self._searcher = searcher

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ARG002, so named by Tune
        """Several times a second."""
        self._searcher.brake()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ARG002, so named by Tune
        """Its actor has what the trial asked for."""
        self._searcher.on_trial_start(trial.trial_id)
