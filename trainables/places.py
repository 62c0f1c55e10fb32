"""Where the entry that a reader yields was read: an example does not know its line, and an error about it must name it.

Readers yield each entry before they read the next, so that the place of the last row is the entry's; one that reads ahead says so.
"""

from contextvars import ContextVar

_last: ContextVar[tuple[object, int | None] | None] = ContextVar("last_row", default=None)


def reading(where: object, line: int | None = None) -> None:
    """Said by a reader of each row: its file and its line, from 1, or any text that names it."""
    _last.set((where, line))


def forget_row() -> None:
    """Said before a reading begins, and by a reader that has read ahead of what it yields."""
    _last.set(None)


def last_row() -> str | None:
    """`file:line`, or another name, of the row that was read last; None where there is none or it says nothing."""
    found = _last.get()
    return None if found is None else str(found[0]) if found[1] is None else f"{found[0]}:{found[1]}"
