"""Whether a stage was lost with its worker or with a node, and whether there is a node for the next."""

import time
from typing import Any

import pytest

from sweeps.node_watch import NOTICED_WITHIN_S, NodeWatch

WORKER = {"CPU": 2, "GPU": 0.5}


def node(name: str, *, is_alive: bool = True, **resources: float) -> dict[str, Any]:
    """As Ray tells of it."""
    return {"NodeID": name, "Alive": is_alive, "Resources": resources}


def test_on_one_node_it_was_the_worker() -> None:
    now = time.monotonic()
    assert NodeWatch(lambda: [node("head")], WORKER).cause(now - 60, now) == "worker lost"


def test_among_several_it_is_known_when_ray_has_had_time_to_notice() -> None:
    now = time.monotonic()
    watch = NodeWatch(lambda: [node("head"), node("worker"), node("ended before", is_alive=False)], WORKER)
    assert watch.cause(now - 60, now) is None
    assert watch.cause(now - 60, now - NOTICED_WITHIN_S) == "worker lost"


def test_a_node_that_ended_is_blamed_for_what_was_lost_then_and_not_for_what_began_later() -> None:
    there = [node("head"), node("worker")]
    watch = NodeWatch(lambda: there, WORKER)
    now = time.monotonic()
    there[1] = node("worker", is_alive=False)
    assert watch.cause(now - 60, now) == "node lost"
    assert watch.cause(now + 1, now + 2) == "node lost", "it may have been handed to an actor there"
    assert watch.cause(now + 2 * NOTICED_WITHIN_S, now + 3 * NOTICED_WITHIN_S) is None


def test_that_there_is_no_node_for_a_stage_is_said_once_until_there_was_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.node_watch._LOOK_EVERY_S", 0.0)
    small, large = node("small", CPU=8), node("large", CPU=2, GPU=1)
    there = [small]
    watch = NodeWatch(lambda: there, WORKER)
    assert watch.look() == "no node of the cluster has the 2 CPUs and 0.5 GPUs that a stage needs; the study waits for one"
    assert watch.look() is None
    there.append(large)
    assert watch.look() is None
    there[1] = large | {"Alive": False}
    assert watch.cause(time.monotonic(), time.monotonic()) == "node lost"
    assert watch.look() is not None
