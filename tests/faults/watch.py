"""Says what the Ray cluster at RAY_ADDRESS has and holds, one JSON line several times a second, until it is ended."""

import time

import ray
from pydantic import BaseModel
from ray._private.state import actors
from ray.util import placement_group_table

EVERY_S = 0.25


class Sample(BaseModel):
    """A cluster at one moment."""

    at_s: float
    """Seconds since the epoch."""
    num_workers: int
    """Nodes but the head."""
    held: tuple[str, ...]
    """Placement groups that are there or are asked for."""
    num_groups: int
    """These and those that were given back."""
    actors: tuple[str, ...]
    """That live, by class."""


def sample() -> Sample:
    groups = placement_group_table().values()
    return Sample(
        at_s=time.time(),
        num_workers=sum(node["Alive"] for node in ray.nodes()) - 1,
        held=tuple(group["placement_group_id"] for group in groups if group["state"] != "REMOVED"),
        num_groups=len(groups),
        actors=tuple(actor["ActorClassName"] for actor in actors().values() if actor["State"] != "DEAD"),
    )


def main() -> None:
    ray.init(log_to_driver=False, logging_level="error")
    while True:
        print(sample().model_dump_json(), flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
