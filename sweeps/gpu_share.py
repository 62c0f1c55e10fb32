"""What part of a GPU a stage is given: what the study says, or as much as the like of it was measured to need."""

from collections import defaultdict
from typing import Literal

from sweeps.placement import runs_model
from sweeps.plan import Request
from sweeps.study import MAX_SHARING
from trainables.manifest import Manifest
from trainables.specs import BenchmarkSpec, EvaluateSpec, Spec, TrainSpec

_USED = 0.9
"""Of a GPU's memory, lest what allocators keep apart from what is in use does not fit."""
_PROCESS_BYTES = 2**30
"""What CUDA and its libraries take for a process, beside what is allocated by it."""

Likeness = tuple[object, ...]


class GpuShares:
    """Shares for the stages of one run. With `auto`, the first of its like has a GPU for itself, and those after it share one when their
    memory fits; one that needs more after all goes on with fewer tokens at once."""

    def __init__(self, wanted: float | Literal["auto"]) -> None:
        self._wanted = wanted
        self._needed: defaultdict[Likeness, float] = defaultdict(float)
        """The largest part of a GPU's memory."""

    def learn(self, request: Request, manifest: Manifest) -> None:
        """A stage has finished."""
        cost = manifest.cost
        if cost.device_memory_bytes:
            needed = (cost.peak_memory_bytes + _PROCESS_BYTES) / (_USED * cost.device_memory_bytes)
            likeness = _likeness(request)
            self._needed[likeness] = max(self._needed[likeness], needed)

    def of(self, request: Request) -> float:
        """GPUs that the stage holds; none where it computes with no model."""
        if not runs_model(request.spec):
            return 0.0
        if self._wanted != "auto":
            return self._wanted
        needed = 1.0 if isinstance(request.spec, BenchmarkSpec) else self._needed.get(_likeness(request), 1.0)
        return 1.0 if needed > 0.5 else 1.0 / min(int(1 / needed), MAX_SHARING)


def _likeness(request: Request) -> Likeness:
    """What decides how much memory a stage takes."""
    return (request.context.model, request.spec.kind, *_sizes(request.spec))


def _sizes(spec: Spec) -> Likeness:
    match spec:
        case TrainSpec():
            return (spec.max_length, spec.precision, spec.batch_size, spec.layers_trained, spec.form)
        case EvaluateSpec():
            return (spec.max_length, spec.precision, spec.form)
        case _:
            return ()
