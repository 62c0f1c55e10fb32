"""Where a sweep keeps what it makes, and who is at work there."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Home(NamedTuple):
    """The folder given by `--home`; studies share its store and its MLflow database."""

    root: Path
    store_uri: str | None = None
    """Where the store is, if it is not here: a folder or an object store that several machines share."""

    @property
    def store(self) -> str:
        """Artifacts and manifests: the only truth."""
        return self.store_uri or str(self.root / "store")

    @property
    def cache(self) -> Path:
        """Prepared data and copies of artifacts; safe to delete between runs."""
        return self.root / "cache"

    def report(self, study: str) -> Path:
        """The results table, the matrix and the report of a study."""
        return self.root / "reports" / study

    def retries(self, study: str) -> Path:
        """The stages of a study that were computed again, a line each."""
        return self.root / "retries" / f"{study}.jsonl"


class StudyIsRunningError(Exception):
    """Another process runs the same study in the same home."""


@contextmanager
def study_lock(home: Home, study: str) -> Iterator[None]:
    """Held while a driver runs a study; the kernel releases it however the driver ends."""
    path = home.root / "locks" / f"{study}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            raise StudyIsRunningError(f"study {study!r} is being run in {home.root} by {holder}; wait for it or end it") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
