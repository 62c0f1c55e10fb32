"""What a training carries from step to step, and how it outlives a process.

Legend: `K` optimizer steps.
"""

import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from trainables.checkpoint import load_progress, save_progress
from trainables.features import Features
from trainables.parallel import Spread, moments, put_moments
from trainables.ranks import as_first_says

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from trainables.manifest import Measurement

_MOST_OF_TIME = 0.01

DevScore = tuple[float | None, tuple["Measurement", ...]]


class Point(NamedTuple):
    """The fields of a `CurvePoint`."""

    step: int
    epoch: float
    train_loss: float
    learning_rate: float
    score: float | None
    dev: tuple["Measurement", ...]


@dataclasses.dataclass
class Progress:
    """What a training carries from step to step, beside weights and moments."""

    step: int
    losses_K: Tensor
    curve: list[Point]
    best: int | None
    """The place of the best evaluation in the curve."""
    best_weights: dict[str, Tensor] | None
    num_tokens: int
    num_examples: int
    seconds: float
    """Spent so far, by all attempts."""
    flops: float
    step_seconds: float
    """Spent on steps alone, without evaluations and checkpoints."""

    @property
    def kept_step(self) -> int:
        """Of the weights that are kept: the best ones if they were set aside, else the last."""
        return self.step if self.best_weights is None or self.best is None else self.curve[self.best].step

    def count(self, batch: Features, flops: float) -> None:
        """A step on `batch` was taken."""
        self.step += 1
        self.num_tokens += len(batch.token_ids)
        self.num_examples += batch.num_examples
        self.flops += flops


def remember(point: Point, progress: Progress, spread: Spread | None) -> None:
    """Adds an evaluation to the curve and, if it is the best so far, sets aside the weights of `spread`, if it is given.

    Where there are no scores, the last weights are as good as any.
    """
    best = None if progress.best is None else progress.curve[progress.best].score
    progress.curve.append(point)
    if point.score is None or best is None or point.score > best:
        progress.best = len(progress.curve) - 1
        weights = spread.weights() if spread is not None else None
        progress.best_weights = None if weights is None else {name: tensor.to("cpu", copy=True) for name, tensor in weights.items()}


def is_out_of_patience(patience: int | None, progress: Progress) -> bool:
    """Whether the last `patience` evaluations brought no gain."""
    return patience is not None and progress.best is not None and len(progress.curve) - 1 - progress.best >= patience


class Saver:
    """Writes checkpoints aside, in a thread, and so seldom that they hold the steps up for at most a percent of their time.

    What the thread raises is raised by the next `save`, or at the end.
    """

    def __init__(self, folder: Path | None, every_s: float, keep: Callable[[Path], None]) -> None:
        """Nothing is written without a folder; with `every_s` 0 there is one whenever it is asked for, whatever it costs.

        The thread tells `keep` where it has written something.
        """
        self._folder, self._every_s, self._wait_s, self._keep = folder, every_s, every_s, keep
        self._saved_at = time.monotonic()
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_others: object) -> None:
        self._pool.shutdown()
        if self._writing is not None and kind is None:
            self._writing.result()

    def is_due(self) -> bool:
        """Whether it is time for another; every rank asks, and all hear the same."""
        return self._folder is not None and as_first_says(time.monotonic() - self._saved_at >= self._wait_s)

    def save(self, spread: Spread, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Copies the state of a training as it is now, on the ranks that hold some of it, and has it written."""
        assert self._folder is not None, "is_due was asked"
        began_at = time.monotonic()
        if self._writing is not None:
            self._writing.result()
        if spread.saves:
            held = {"model": spread.weights(), "optimizer": moments(optimizer)}
            state = tree_map_only(Tensor, lambda tensor: tensor.to("cpu", copy=True), held)
            # the best weights are a copy already, which nobody changes
            state["progress"] = {**vars(progress), "losses_K": progress.losses_K.to("cpu", copy=True), "curve": _plain(progress.curve)}
            self._writing = self._pool.submit(self._write, spread.checkpoints(self._folder), progress.step, state)
        self._saved_at = time.monotonic()
        self._wait_s = max(self._every_s, (self._saved_at - began_at) / _MOST_OF_TIME) if self._every_s else 0.0

    def _write(self, folder: Path, step: int, state: object) -> None:
        save_progress(folder, step, state)
        self._keep(folder)


def resume(folder: Path | None, spread: Spread, optimizer: torch.optim.Optimizer, fetch: Callable[[Path], None]) -> Progress | None:
    """Puts the newest whole checkpoint, if there is one, into the model and the optimizer; `fetch` is told where it is looked for."""
    if folder is None:
        return None
    mine = spread.checkpoints(folder)
    fetch(mine)
    state = load_progress(mine)
    if state is None:
        return None
    spread.put_weights(state["model"])
    put_moments(optimizer, state["optimizer"])
    return Progress(**{**state["progress"], "curve": _points(state["progress"]["curve"])})


def _plain(curve: list[Point]) -> list[dict[str, object]]:
    """Without our own types, which a checkpoint is not read with."""
    return [{**point._asdict(), "dev": [vars(measurement) for measurement in point.dev]} for point in curve]


def _points(curve: list[dict[str, Any]]) -> list[Point]:
    from trainables.manifest import Measurement  # where there is something to read, it was written with pydantic

    return [Point(**{**point, "dev": tuple(Measurement(**measurement) for measurement in point["dev"])}) for point in curve]
