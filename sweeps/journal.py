"""Tells MLflow, the terminal and a webhook what happens while a plan runs, and frees the files of trainings that lost."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sweeps.events import Evaluated, Event, Failed, Finished, Reported, RunContext, Selected, Started
from sweeps.leases import Driver, Leases
from sweeps.notify import Notifier
from sweeps.plan import PairProgram, Request
from sweeps.progress import Progress
from sweeps.results import Context, PairId
from sweeps.retries import Cause, Retries
from sweeps.tracking import Tracker
from sweeps.walk import Outcome, Walk
from trainables.manifest import CurvePoint, Manifest
from trainables.specs import EvaluateSpec
from trainables.store import Store

_NUM_FREEING = 4
"""Threads that delete files: on an object store those of a search's losers take minutes, which nobody should wait for."""


class Journal:
    """Follows one walk. What it says to MLflow it says again on the next run, which changes nothing there."""

    def __init__(
        self,
        walk: Walk,
        store: Store,
        tracker: Tracker,
        progress: Progress,
        leases: Leases,
        retries: Retries,
        notifier: Notifier | None = None,
    ) -> None:
        self._walk = walk
        self._store = store
        self._tracker = tracker
        self._progress = progress
        self._leases = leases
        self._freeing = ThreadPoolExecutor(_NUM_FREEING, thread_name_prefix="free")
        self._freed: list[Future[None]] = []
        self._left: set[str] = set()
        """Trainings that lost, and whose files somebody was told to delete."""
        self._retries = retries
        self._notifier = notifier
        self._programs = {program.pair: program for program in walk.programs}
        self.encoders: dict[str, Manifest] = {}
        """Shared stages that are there, by name."""
        self.num_trained = 0
        """Stages that were computed by this run, not found in the store."""
        self.num_cached = 0
        """Stages that were found in the store."""
        self.failures: dict[str, str] = {}
        """Errors by stage name."""

    def started(self, request: Request) -> None:
        """A stage was handed to Tune."""
        self._progress.started(request)
        if _scored_training(request) is None:
            spec = request.spec.model_dump(mode="json")
            self._log(Started(key=request.key, context=self._run_context(request.context), spec=spec, at_s=time.time()))

    def reported(self, request: Request, point: CurvePoint) -> None:
        """A training came to a dev evaluation."""
        self._progress.reported(request, point)
        self._log(Reported(key=request.key, point=point))

    def note(self, message: str) -> None:
        """Something about the cluster that is to be seen."""
        self._progress.note(message)

    def near_limit(self, spent: str) -> None:
        """Most of what the run may spend is spent."""
        if self._notifier is not None:
            self._notifier.budget(spent)

    def elsewhere(self, request: Request, holder: Driver) -> None:
        """A stage is built by another driver."""
        self._progress.note(f"waiting for {request.context.name}: {holder} builds it for study {holder.study!r}")

    def retried(self, request: Request, cause: Cause) -> None:
        """A stage came to nothing through no fault of its own, and is ready again."""
        self._progress.note(f"{cause}: {request.context.name} is computed again")
        self._retries.add(request.key, cause)

    def settle(self) -> None:
        """Passes on what the walk has settled since the last call."""
        for outcome in self._walk.drain():
            if outcome.manifest is None:
                self._failed(outcome)
            else:
                self._finished(outcome, outcome.manifest)
        for program in self._walk.drain_advanced():
            if isinstance(program, PairProgram):
                self._free_losers(program)
                if program.evaluations:
                    self._pair_finished(program)

    def close(self) -> None:
        """Waits until the files of trainings that lost are deleted; an OSError says why one could not be."""
        self._freeing.shutdown()
        for freed in self._freed:
            freed.result()

    def _failed(self, outcome: Outcome) -> None:
        request = outcome.request
        self.failures[request.context.name] = outcome.error or ""
        if self._notifier is not None:
            self._notifier.first_failure(request.context.name, outcome.error or "")
        self._progress.settled(outcome)
        spec = request.spec.model_dump(mode="json")
        error = outcome.error or ""
        self._log(Failed(key=request.key, context=self._run_context(request.context), spec=spec, error=error, at_s=time.time()))

    def _finished(self, outcome: Outcome, manifest: Manifest) -> None:
        context = outcome.request.context
        self.num_trained += not outcome.was_cached
        self.num_cached += outcome.was_cached
        if context.role == "encoder":
            self.encoders[context.name] = manifest
        self._progress.settled(outcome)
        training = _scored_training(outcome.request)
        if training is None:
            self._log(Finished(context=self._run_context(context), manifest=manifest))
        else:
            self._log(Evaluated(train_key=training, context=self._run_context(context), manifest=manifest))

    def _pair_finished(self, program: PairProgram) -> None:
        result = program.result()
        self._progress.pair_finished(result)
        winners = tuple(trial.manifest for trial in result.trials if trial.point == result.selected and not trial.is_pruned)
        model, intermediate, variant, target = result.pair
        self._log(
            Selected(
                context=RunContext(model=model, intermediate=intermediate, variant=variant, target=target, seed=None, leaks=result.leaks),
                winners=winners,
                evaluations=tuple(evaluation.manifest for evaluation in result.evaluations),
                num_trials=len(result.trials),
            )
        )

    def _free_losers(self, program: PairProgram) -> None:
        """Has the files deleted of what has lost since the last time."""
        losers = [key for key in program.losers if key not in self._left]
        if losers and not self._leases.others():  # they may need what lost here; `cache gc` frees it
            self._left.update(losers)
            self._freed.append(self._freeing.submit(self._free, losers))

    def _free(self, losers: Sequence[str]) -> None:
        for key in losers:
            self._store.drop_files(key)

    def _run_context(self, context: Context) -> RunContext:
        model, intermediate, variant, target = context.model, context.intermediate, context.variant, context.target
        leaks: tuple[str, ...] = ()
        if intermediate is not None and target is not None:
            program = self._programs.get(PairId(model, intermediate, variant, target))
            leaks = () if program is None else program.leaks()  # the trials of a selection are no pairs of the study
        return RunContext(model=model, intermediate=intermediate, variant=variant, target=target, seed=context.seed, leaks=leaks)

    def _log(self, event: Event) -> None:
        self._tracker.log(event)


def _scored_training(request: Request) -> str | None:
    """The target training that an evaluation scores, whose run in MLflow it belongs to; None for any other stage."""
    return request.parents[0] if isinstance(request.spec, EvaluateSpec) and request.spec.head is not None else None
