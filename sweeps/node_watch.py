"""What becomes of a cluster's nodes while a study runs: with whom a stage was lost, and whether there is anywhere to go.

Ray notices the end of a process at once, of a node in half a minute.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeps.retries import Cause

NOTICED_WITHIN_S = 30.0
"""Five checks, three seconds apart, tell Ray of a machine that is no more; until then only the silence of a worker there is known."""
_LOOK_EVERY_S = 5.0


class NodeWatch:
    """Remembers when a node was last seen to have ended, and whether there was one on which a worker has room."""

    def __init__(self, nodes: Callable[[], Sequence[Mapping[str, Any]]], worker: Mapping[str, float]) -> None:
        """`nodes` is `ray.nodes`, which knows the dead as well; `worker` is what one worker of a stage needs."""
        self._nodes, self._worker = nodes, worker
        self._ended: frozenset[str] = frozenset()
        self._is_told = False
        self._look()
        self._ended_at_s = float("-inf")  # what ended before the study is not its concern

    def look(self) -> str | None:
        """To be called often; asks Ray seldom, for there may be thousands. Says that no node has room for a stage, once until one has."""
        if time.monotonic() - self._looked_at_s < _LOOK_EVERY_S:
            return None
        self._look()
        was_told, self._is_told = self._is_told, not self._has_room
        if self._has_room or was_told:
            return None
        needed = " and ".join(f"{amount:g} {name}s" for name, amount in self._worker.items() if amount)
        return f"no node of the cluster has the {needed} that a stage needs; the study waits for one"

    def cause(self, began_s: float, lost_s: float) -> Cause | None:
        """Of a stage that began and was lost then; None while it cannot be told yet."""
        self._look()
        if self._ended_at_s >= began_s - NOTICED_WITHIN_S:  # before it began: an actor there may have been handed the stage all the same
            return "node lost"
        return "worker lost" if self._is_alone or time.monotonic() - lost_s >= NOTICED_WITHIN_S else None

    def _look(self) -> None:
        nodes = self._nodes()
        ended = frozenset(node["NodeID"] for node in nodes if not node["Alive"])
        self._looked_at_s = time.monotonic()
        if ended - self._ended:
            self._ended_at_s = self._looked_at_s
        self._ended, self._is_alone = ended, len(nodes) <= 1
        self.with_gpus = tuple(node["NodeID"] for node in nodes if node["Alive"] and node["Resources"].get("GPU"))
        """Machines."""
        self._has_room = any(node["Alive"] and self._holds(node["Resources"]) for node in nodes)

    def _holds(self, resources: Mapping[str, float]) -> bool:
        """Whether a node has room for a worker when nothing else is on it."""
        return all(resources.get(name, 0) >= amount for name, amount in self._worker.items())
