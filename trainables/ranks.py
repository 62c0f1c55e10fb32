"""The processes that share a stage, if there are several: who this one is, and how they tell each other things."""

from typing import Any, TypeVar

import torch.distributed as dist

T = TypeVar("T")


def rank_and_number() -> tuple[int, int]:
    """Which of how many this process is, counted from 0."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def is_first() -> bool:
    """Whether this is the one that publishes."""
    return rank_and_number()[0] == 0


def gathered(share: T) -> list[T]:
    """What each rank gives, in their order; every rank calls this. With NCCL it goes through the current GPU."""
    num_ranks = rank_and_number()[1]
    shares: list[Any] = [share] * num_ranks
    if num_ranks > 1:
        dist.all_gather_object(shares, share)
    return shares


def as_first_says(value: T) -> T:
    """The first rank's `value`, so that all decide alike; every rank calls this."""
    said = [value]
    if rank_and_number()[1] > 1:
        dist.broadcast_object_list(said)
    return said[0]
