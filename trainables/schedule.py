"""What is trained when: steps, batches, evaluations and learning rates, all functions of the spec and the step alone.

Legend: `K` optimizer steps, `U` units of a batch (sequences; questions of multiple choice).
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trainables.packing import Indices
from trainables.seeds import generator

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from trainables.specs import TrainSpec


class Turn(NamedTuple):
    """Which entry of the mixture has the step, and how many steps it had before."""

    entry: int
    place: int


def count_steps(spec: "TrainSpec", num_units: Sequence[int]) -> int:
    """Optimizer steps in all: as the spec says, or the sum over the mixture of epochs times units over batch size, each rounded up."""
    if spec.steps is not None:
        return spec.steps
    assert spec.epochs is not None, "a spec has epochs or steps"
    return sum(math.ceil(round(spec.epochs * num / spec.batch_size, 6)) for num in num_units)


def draw_turns(spec: "TrainSpec", num_units: Sequence[int], num_steps: int) -> list[Turn]:
    """The entry of each step, drawn with the probabilities of `spec.sampler`: one task a step, as jiant does."""
    match spec.sampler:
        case "proportional":
            shares = np.array(num_units, float)
        case "uniform":
            shares = np.ones(len(num_units))
        case "weights":
            shares = np.array([task.weight for task in spec.mixture])
    entries_K = generator("turns", spec.seed).choice(len(shares), num_steps, p=shares / shares.sum())
    counts = [itertools.count() for _ in shares]
    return [Turn(entry, next(counts[entry])) for entry in entries_K.tolist()]


def draw_units(seed: int, entry: int, num_units: int, batch_size: int, place: int) -> Indices:
    """The units of an entry's batch number `place`: a new order each epoch, and batches run across the ends of epochs."""
    rows = np.arange(place * batch_size, (place + 1) * batch_size)
    epochs = rows // num_units
    orders = {epoch: _order(seed, entry, num_units, epoch) for epoch in range(epochs[0], epochs[-1] + 1)}
    return np.array([orders[epoch][row % num_units] for epoch, row in zip(epochs.tolist(), rows.tolist(), strict=True)])


@functools.lru_cache(maxsize=64)
def _order(seed: int, entry: int, num_units: int, epoch: int) -> Indices:
    return generator("order", seed, entry, epoch).permutation(num_units)


def space_evals(num_steps: int, num_evals: int) -> tuple[int, ...]:
    """The steps after which dev is evaluated, equally spaced, the last one at the end; no more of them than steps."""
    return tuple(sorted({math.ceil(num_steps * (place + 1) / num_evals) for place in range(num_evals)}))


def warm_up_and_decay(step: int, num_steps: int, warmup_fraction: float) -> float:
    """Factor of the learning rate at a step, counted from 0: transformers' `get_linear_schedule_with_warmup`."""
    num_warmup = round(num_steps * warmup_fraction)
    if step < num_warmup:
        return step / num_warmup
    return (num_steps - step) / max(1, num_steps - num_warmup)
