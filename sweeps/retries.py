"""Stages that were computed again through no fault of their own: a line of JSON each, so that no driver's end loses count."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from trainables.specs import Record

Cause = Literal["worker lost", "node lost", "node reclaimed", "files damaged"]
_WORDS: dict[Cause, str] = {
    "worker lost": "a worker was lost",
    "node lost": "a node was lost",
    "node reclaimed": "a node was reclaimed",
    "files damaged": "files in the store were damaged",
}


class Retry(Record):
    """One of them."""

    key: str
    cause: Cause
    at_s: float
    """Seconds since the epoch."""


class Retries:
    """Those of one study."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, key: str, cause: Cause) -> None:
        """A stage is about to be computed again."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = Retry(key=key, cause=cause, at_s=time.time()).model_dump_json().encode()
        with self._path.open("ab") as file:
            file.write(b"\n" + line + b"\n")  # the first newline ends a line that a sudden end has cut short
            file.flush()
            os.fsync(file.fileno())

    def count(self) -> dict[Cause, int]:
        """How often, by cause."""
        lines = self._path.read_bytes().split(b"\n") if self._path.exists() else []
        found = Counter(retry.cause for line in lines if line and (retry := _read(line)) is not None)
        return {cause: found[cause] for cause in get_args(Cause) if found[cause]}

    def notes(self) -> tuple[str, ...]:
        """A sentence for each cause."""
        return tuple(
            f"{'A stage was' if number == 1 else 'Stages were'} computed again{'' if number == 1 else f' {number} times'} "
            f"because {_WORDS[cause]}."
            for cause, number in self.count().items()
        )


def _read(line: bytes) -> Retry | None:
    """None for a line that was cut short."""
    try:
        return Retry.model_validate_json(line)
    except ValidationError:
        return None
