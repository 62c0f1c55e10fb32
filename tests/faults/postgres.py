"""A real PostgreSQL on loopback, which can be stopped and started again."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

_UNPRIVILEGED = "nobody"
"""Who runs it where we are root, as whom it refuses to run."""
_START_S = 60


class Postgres:
    """One database, from start to start the same."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self._password = secrets.token_hex(16)
        self._port = free_port()
        self.uri = f"postgresql+psycopg2://mlflow:{self._password}@127.0.0.1:{self._port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        secret = folder / "password"
        secret.write_text(self._password)
        if os.geteuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, _UNPRIVILEGED)
        options = (
            "--username",
            "mlflow",
            "--pwfile",
            str(secret),
            "--auth",
            "scram-sha-256",
            "--no-sync",
            "--pgdata",
            str(folder / "data"),
        )
        subprocess.run([str(programs / "initdb"), *options], check=True, capture_output=True, **self._whose())

    def start(self) -> None:
        """Returns when it answers."""
        options = ("-D", str(self._folder / "data"), "-h", "127.0.0.1", "-p", str(self._port), "-c", "unix_socket_directories=")
        self._process = subprocess.Popen(
            [str(self._programs / "postgres"), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._whose()
        )
        until = time.monotonic() + _START_S
        while not self._answers():
            assert self._process.poll() is None, "it ended"
            assert time.monotonic() < until, "it does not come up"
            time.sleep(0.1)

    def stop(self) -> None:
        """At once: what is connected is thrown out, as when it is restarted."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self._port)) == 0

    def _whose(self) -> dict[str, Any]:
        return {"cwd": self._folder} | ({"user": _UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {})


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """One that runs, or the test is skipped."""
    programs = next((path.parent for path in _places() if path.exists()), None)
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("PostgreSQL's driver is not installed: pip install psycopg2-binary")
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:  # not below pytest's, where only its own user may go
        found = Postgres(Path(folder), programs)
        found.start()
        try:
            yield found
        finally:
            found.stop()


def _places() -> Iterator[Path]:
    """Where `initdb` may be; distributions keep it off the PATH."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve()
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
