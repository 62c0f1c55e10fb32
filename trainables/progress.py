"""What a training carries from step to step, and how it outlives a process.

Legend: `K` optimizer steps.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from trainables.checkpoint import load_progress, save_progress
from trainables.features import Features
from trainables.parallel import Spread, moments, put_moments

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from trainables.manifest import Measurement

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


def save(folder: Path, spread: Spread, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Writes the state of a training as it is now, on the ranks that hold some of it."""
    if spread.saves:
        state = {"model": spread.weights(), "optimizer": moments(optimizer), "progress": progress}
        save_progress(spread.checkpoints(folder), progress.step, state)


def resume(folder: Path | None, spread: Spread, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Puts the newest whole checkpoint, if there is one, into the model and the optimizer."""
    state = load_progress(spread.checkpoints(folder)) if folder is not None else None
    if state is None:
        return None
    spread.put_weights(state["model"])
    put_moments(optimizer, state["optimizer"])
    progress: Progress = state["progress"]
    return progress
