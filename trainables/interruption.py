"""A stage that is asked to end before its time, keeps a checkpoint, and goes on from there when it is run again."""

from collections.abc import Callable
from typing import Literal

Reason = Literal["node reclaimed", "run at its limit"]
IsInterrupted = Callable[[], Reason | None]
"""Why the stage in this process shall end now; None while it may go on. It is asked after every step, so it returns at once."""


class InterruptedStageError(Exception):
    """It did."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def never() -> None:
    """Nothing interrupts."""
