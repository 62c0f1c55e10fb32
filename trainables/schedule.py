"""What is trained when: steps, batches, evaluations and learning rates, all functions of the spec and the step alone.

Legend: `K` optimizer steps, `E` entries of the mixture, `U` units of a batch (sequences; questions of multiple choice).
"""

import functools
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.seeds import generator

if TYPE_CHECKING:  # torch, which planning does without, and pydantic, which GPU machines may lack
    from trainables.packing import Indices
    from trainables.specs import TrainSpec


class Turn(NamedTuple):
    """Which entry of the mixture has the step, and how many steps it had before."""

    entry: int
    place: int


def count_steps(spec: "TrainSpec", num_units: Sequence[int]) -> int:
    """Optimizer steps in all: as the spec says, or the sum over the mixture of epochs times units over batch size, each rounded up.

    A task counts with at most `spec.examples_cap` units. Tasks with a share of all steps get theirs on top of the others'.
    """
    if spec.steps is not None:
        return spec.steps
    assert spec.epochs is not None, "a spec has epochs or steps"
    totals = _task_totals(spec, num_units)
    num_sampled = 0
    for entry, num in zip(spec.mixture, num_units, strict=True):
        if entry.share is None:
            counted = num * min(1.0, (spec.examples_cap or math.inf) / totals[entry.train.task])
            num_sampled += math.ceil(round(spec.epochs * counted / spec.batch_size, 6))
    fixed = sum({entry.train.task: entry.share for entry in spec.mixture if entry.share is not None}.values())
    return math.ceil(round(num_sampled / (1 - fixed), 6))


def draw_turns(spec: "TrainSpec", num_units: Sequence[int], num_steps: int) -> list[Turn]:
    """The entry of each step, drawn with the probabilities of `entry_shares`: one task a step, as jiant does."""
    entries_K = generator("turns", spec.seed).choice(len(num_units), num_steps, p=entry_shares(spec, num_units))
    counts = [itertools.count() for _ in num_units]
    return [Turn(entry, next(counts[entry])) for entry in entries_K.tolist()]


def entry_shares(spec: "TrainSpec", num_units: Sequence[int]) -> NDArray[np.float64]:
    """[E] the probability of each entry of the mixture, by the sampler and the fixed shares; they sum to 1.

    A task that has several entries, a language each, has one share, which they split by size.
    """
    totals = _task_totals(spec, num_units)
    fixed = {entry.train.task: entry.share for entry in spec.mixture if entry.share is not None}
    sampled = {entry.train.task: _sampler_weight(spec, entry.weight, totals[entry.train.task]) for entry in spec.mixture}
    free = {task: weight for task, weight in sampled.items() if task not in fixed}
    rest = 1 - sum(fixed.values())
    of_task = fixed | {task: rest * weight / sum(free.values()) for task, weight in free.items()}
    shares_E = [of_task[entry.train.task] * num / totals[entry.train.task] for entry, num in zip(spec.mixture, num_units, strict=True)]
    return np.array(shares_E) / sum(shares_E)


def _sampler_weight(spec: "TrainSpec", weight: float, num_units: int) -> float:
    match spec.sampler:
        case "proportional":
            return float(min(num_units, spec.examples_cap or num_units) ** (1 / spec.temperature))
        case "uniform":
            return 1.0
        case "weights":
            return weight


def _task_totals(spec: "TrainSpec", num_units: Sequence[int]) -> dict[str, int]:
    """Units of each task, over its languages."""
    totals: Counter[str] = Counter()
    for entry, num in zip(spec.mixture, num_units, strict=True):
        totals[entry.train.task] += num
    return dict(totals)


def draw_units(seed: int, entry: int, num_units: int, batch_size: int, place: int) -> "Indices":
    """The units of an entry's batch number `place`: a new order each epoch, and batches run across the ends of epochs."""
    rows = np.arange(place * batch_size, (place + 1) * batch_size)
    epochs = rows // num_units
    orders = {epoch: _order(seed, entry, num_units, epoch) for epoch in range(epochs[0], epochs[-1] + 1)}
    return np.array([orders[epoch][row % num_units] for epoch, row in zip(epochs.tolist(), rows.tolist(), strict=True)])


@functools.lru_cache(maxsize=64)
def _order(seed: int, entry: int, num_units: int, epoch: int) -> "Indices":
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
