"""Exceptions of a task's own code, which a newcomer writes: in one line, with the file and line that raised them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.catalogue import CatalogueError, line_in
from trainables.places import last_row

_FOLDER = Path(__file__).parent / "tasks"


@contextmanager
def in_task_file(task: str, place: str) -> Iterator[None]:
    """Whatever the code of `task` raises becomes a CatalogueError that names `place`, or the row that was read last.

    A ValueError that names that row's file, or begins with any other file, is what a reader says of wrong data, and stays as it is; so
    does what our own code raises of them.
    """
    try:
        yield
    except (CatalogueError, MemoryError):
        raise
    except Exception as error:  # a newcomer's code raises anything
        row, line = last_row(), line_in(error, _FOLDER)
        if isinstance(error, ValueError) and (line is None or _file_of(row) in str(error) or _begins_with_file(str(error))):
            raise
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise CatalogueError(task, f"{line or _FOLDER / f'{task}.py'}: {problem} ({row or place})") from error


def _file_of(row: str | None) -> str:
    """A text that is in no message, where no row was read."""
    return row.rpartition(":")[0] or row if row is not None else "\0"


def _begins_with_file(text: str) -> bool:
    """`<file>: ...` or `<file>:<line>: ...`"""
    place = text.partition(": ")[0]
    return any(os.path.isfile(path) for path in (place, place.rpartition(":")[0]))  # noqa: PTH113, whose form raises at a long text
