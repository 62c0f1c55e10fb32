"""What a cluster tells the workers of a run: that their node is about to be taken away, or that they shall stop.

Ray marks a node as draining when it is told of its end: by `ray start --block` at a SIGTERM, as Kubernetes sends it, or by
`sweeps.spot_notice` on a machine whose cloud announces its end in its metadata.
"""

import contextlib
import functools
import threading
import time

import ray
from ray._private.state import state
from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_put

from trainables.interruption import IsInterrupted, Reason

LOOK_EVERY_S = 1.0


def stop_workers() -> None:
    """Asks all that work for this driver to keep a checkpoint and end; for good."""
    _internal_kv_put(_stop_key(), "")


@functools.cache
def notices() -> IsInterrupted:
    """What this process is told, from now on; a thread looks, so that who asks never waits."""
    watch = _Watch()
    threading.Thread(target=watch.look_on, name="notices", daemon=True).start()
    return lambda: watch.reason


class _Watch:
    def __init__(self) -> None:
        self.reason: Reason | None = None
        self._node = ray.get_runtime_context().get_node_id()
        self._stop_key = _stop_key()

    def look_on(self) -> None:
        while self.reason is None:
            with contextlib.suppress(Exception):  # a head that does not answer tells nothing
                self.reason = self._look()
            time.sleep(LOOK_EVERY_S)

    def _look(self) -> Reason | None:
        if self._node in state.get_draining_nodes():
            return "node reclaimed"
        return "run at its limit" if _internal_kv_exists(self._stop_key) else None


def _stop_key() -> str:
    return f"polystilts-stop:{ray.get_runtime_context().get_job_id()}"
