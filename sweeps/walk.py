"""Walks a plan: runs each stage once, whoever asks for it, and resumes the programs that waited for it.

The walk knows nothing of Ray, clocks or machines: it is told what finished and says what may start. A study whose stages are
all in the store is walked to its end without starting anything.
"""

import dataclasses
import heapq
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sweeps.plan import BenchmarkProgram, PairProgram, Program, Request, StageFailedError, Steps
from sweeps.pruning import pruned_at, scores_of
from trainables.manifest import Manifest

Lookup = Callable[[str], Manifest | None]
"""A stage's record in the store, its files checked; None if it has to be computed."""


class Outcome(NamedTuple):
    """What became of a stage."""

    request: Request
    manifest: Manifest | None
    """None if it failed."""
    was_cached: bool
    error: str | None


@dataclasses.dataclass(eq=False)
class _Waiting:
    """A program, what it asked for last, and what of that is still missing."""

    program: Program
    steps: Steps
    requests: Sequence[Request]
    missing: set[str]
    num_answers: int
    """That it had before."""


class Walk:
    """The state of a plan while it runs. Every method returns at once: what it does grows with what has changed, not with the plan."""

    def __init__(
        self,
        programs: Sequence[PairProgram],
        lookup: Lookup,
        benchmarks: Sequence[BenchmarkProgram] = (),
        others: Sequence[Program] = (),
    ) -> None:
        self.programs = programs
        self.benchmarks = benchmarks
        self._lookup = lookup
        self._requests: dict[str, Request] = {}
        """Everything ever asked for, in that order."""
        self._order: dict[str, tuple[int, int]] = {}
        """By stage, how many answers the program that asked for it first had had, and how many stages had been asked for."""
        self._manifests: dict[str, Manifest] = {}
        self._errors: dict[str, str] = {}
        self._ready: list[tuple[int, int, int, str]] = []
        self._running: set[str] = set()
        self._is_alone = False
        """Whether what runs must be the only stage that does."""
        self._blocked: dict[str, set[str]] = {}
        """Stages whose parents' files were dropped and are being made again, and which parents these are."""
        self._blocks: dict[str, dict[str, None]] = {}
        """The same by parent; stages in the order in which they came to wait."""
        self._waiting: dict[str, list[_Waiting]] = {}
        self._outcomes: list[Outcome] = []
        self._advanced: dict[int, Program] = {}
        """By identity."""
        everything: Sequence[Program] = [*programs, *benchmarks, *others]
        for program in everything:
            self._advance(program, program.steps(), None, 0)

    @property
    def is_finished(self) -> bool:
        """Every program has ended."""
        return not self._waiting

    @property
    def is_running(self) -> bool:
        """Some stage was handed out and has not come back."""
        return bool(self._running)

    def next(self) -> Request | None:
        """A stage that may start now; None if there is none. One that runs alone waits for all others, and they for it."""
        if self._is_alone:
            return None
        while self._ready:
            key = self._ready[0][-1]
            if self._is_wanted(key):
                if self._requests[key].runs_alone and self._running:
                    return None
                heapq.heappop(self._ready)
                self._running.add(key)
                self._is_alone = self._requests[key].runs_alone
                return self._requests[key]
            heapq.heappop(self._ready)
            del self._requests[key]
        return None

    def is_answer(self, request: Request, manifest: Manifest) -> bool:
        """Whether a record that somebody else made will do for a stage handed out by `next`."""
        needs_files = request.key in self._blocks
        return _serves(manifest, request) and not (needs_files and manifest.files_dropped)

    def finish(self, key: str, manifest: Manifest, *, was_cached: bool = False) -> None:
        """A stage handed out by `next` is in the store; with `was_cached`, somebody else computed it."""
        self._come_back(key)
        self._manifests[key] = manifest
        self._outcomes.append(Outcome(self._requests[key], manifest, was_cached, None))
        for child in self._blocks.pop(key, ()):
            self._blocked[child].remove(key)
            if not self._blocked[child]:
                del self._blocked[child]
                self._push(child)
        for waiting in self._waiting.pop(key, []):
            waiting.missing.remove(key)
            if not waiting.missing:
                self._resume(waiting)

    def fail(self, key: str, error: str) -> None:
        """A stage handed out by `next` will not be had; the programs that wait for it end with that problem."""
        self._come_back(key)
        self._outcomes.append(Outcome(self._requests[key], None, False, error))
        self._spread_failure(key, error)

    def retry(self, key: str) -> None:
        """A stage handed out by `next` came to nothing through no fault of its own: it is ready again."""
        self._come_back(key)
        self._push(key)

    def remake(self, parent: str, child: str) -> Request | None:
        """A stage handed out by `next` found no files of a parent: that one is computed again, and then the stage.

        Returns what is computed again; None if it already was to be.
        """
        self._come_back(child)
        known = self._manifests.get(parent)
        if known is not None:
            self._manifests[parent] = known.model_copy(update={"files_dropped": True})
        self._admit(self._requests[child])
        return None if known is None else self._requests[parent]

    def drain(self) -> Sequence[Outcome]:
        """What has happened since the last call, in order."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def drain_advanced(self) -> Sequence[Program]:
        """The programs that have gone on, or come to their end or to a problem, since the last call."""
        advanced, self._advanced = self._advanced, {}
        return tuple(advanced.values())

    def _come_back(self, key: str) -> None:
        self._running.remove(key)
        self._is_alone = False

    def _resume(self, waiting: _Waiting) -> None:
        answer = [self._manifests[request.key] for request in waiting.requests]
        self._advance(waiting.program, waiting.steps, answer, waiting.num_answers + 1)

    def _advance(self, program: Program, steps: Steps, answer: Sequence[Manifest] | StageFailedError | None, num_answers: int) -> None:
        """Resumes a program with what it waited for (nothing, at its start) until it has to wait again or ends.

        `num_answers` is how many it has had, this one included.
        """
        self._advanced[id(program)] = program
        while True:
            try:
                requests = _resumed(steps, answer)
            except StopIteration:
                return
            except StageFailedError as error:
                program.problem = str(error)
                return
            missing = {request.key for request in requests if not self._has_answer(request, num_answers)}
            failed = [key for key in missing if key in self._errors]
            if failed:
                answer = self._failure(failed[0])
            elif missing:
                waiting = _Waiting(program, steps, requests, missing, num_answers)
                for key in missing:
                    self._waiting.setdefault(key, []).append(waiting)
                return
            else:
                answer = [self._manifests[request.key] for request in requests]
                num_answers += 1

    def _has_answer(self, request: Request, num_answers: int) -> bool:
        """Whether the result of a request is known; if not, the stage is admitted, once."""
        key = request.key
        if key in self._requests or key in self._errors:
            return key in self._manifests
        self._requests[key] = request
        self._order.setdefault(key, (num_answers, len(self._order)))
        manifest = self._lookup(key)
        if manifest is not None and _serves(manifest, request):
            self._manifests[key] = manifest
            self._outcomes.append(Outcome(request, manifest, True, None))
            return True
        self._admit(request)
        return False

    def _admit(self, request: Request) -> None:
        """Makes a stage ready, once the files of its parents are there."""
        failed = next((parent for parent in request.parents if parent in self._errors), None)
        if failed is not None:
            self._spread_failure(request.key, self._errors[failed])
            return
        lost = {parent for parent in request.parents if parent not in self._manifests or self._manifests[parent].files_dropped}
        for parent in lost:
            if self._manifests.pop(parent, None) is not None:
                self._admit(self._requests[parent])
        if lost:
            self._blocked[request.key] = lost
            for parent in lost:
                self._blocks.setdefault(parent, {})[request.key] = None
        else:
            self._push(request.key)

    def _push(self, key: str) -> None:
        # Shared encoders first, since they unlock the most; then what programs ask for that have had the fewest answers, since they have
        # most before them and would be waited for at the end; of these in the order in which they asked. What runs alone at the end.
        request = self._requests[key]
        priority = 2 if request.runs_alone else 0 if request.context.role == "encoder" else 1
        heapq.heappush(self._ready, (priority, *self._order[key], key))

    def _is_wanted(self, key: str) -> bool:
        return key in self._waiting or key in self._blocks

    def _spread_failure(self, key: str, error: str) -> None:
        self._errors[key] = error
        children = self._blocks.pop(key, {})
        for child in children:
            for other in self._blocked.pop(child) - {key}:
                self._stop_blocking(other, child)
        for child in children:
            self._spread_failure(child, error)
        for waiting in self._waiting.pop(key, []):
            for other in waiting.missing - {key}:
                self._stop_waiting(other, waiting)
            self._advance(waiting.program, waiting.steps, self._failure(key), waiting.num_answers)

    def _stop_waiting(self, key: str, waiting: _Waiting) -> None:
        self._waiting[key].remove(waiting)
        if not self._waiting[key]:
            del self._waiting[key]

    def _stop_blocking(self, parent: str, child: str) -> None:
        del self._blocks[parent][child]
        if not self._blocks[parent]:
            del self._blocks[parent]

    def _failure(self, key: str) -> StageFailedError:
        return StageFailedError(f"{self._requests[key].context.name} ({key}) failed: {self._errors[key]}")


def _resumed(steps: Steps, answer: Sequence[Manifest] | StageFailedError | None) -> Sequence[Request]:
    if isinstance(answer, StageFailedError):
        return steps.throw(answer)
    return next(steps) if answer is None else steps.send(answer)


def _serves(manifest: Manifest, request: Request) -> bool:
    """Whether a record answers a request: a pruned one only where this request would have been pruned as well."""
    return manifest.status == "done" or pruned_at(scores_of(manifest.curve), request.floors) is not None
