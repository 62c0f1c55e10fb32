"""The head of a Ray cluster of its own, as a child process that outlives a study and ends with its test, and who watches it."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.faults.watch import Sample
from tests.ports import free_port, free_ports
from tests.sweeps.processes import environment

ROOT = Path(__file__).parents[2]
_START_S = 60
_MOST_STARTS = 10
"""Of all nodes of a test."""


class Head(NamedTuple):
    """A cluster that runs."""

    process: psutil.Popen
    """All of the cluster descends from it."""
    environment: Mapping[str, str]
    """Of whoever is to connect to it: its address, and the token that it asks for."""


@contextlib.contextmanager
def head(*options: str, port: int | None = None, **settings: str) -> Iterator[Head]:
    """Started with some more options of `ray start` and environment variables."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as scratch:  # short: sockets lie below it
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--port", str(port), "--temp-dir", scratch),
            *("--ray-client-server-port", str(free_port()), "--dashboard-port", str(free_port())),
            *("--dashboard-agent-listen-port", str(free_port()), "--disable-usage-stats", *options),
        ]
        shared = {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), **settings}
        with (Path(scratch) / "head.log").open("w") as log:
            started = psutil.Popen(command, env=environment() | shared, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            _wait_for(port, started, Path(log.name))
            yield Head(started, {**environment(), **shared, "RAY_ADDRESS": f"127.0.0.1:{port}"})
        finally:
            _end(started)


@contextlib.contextmanager
def node(cluster: Head, *options: str) -> Iterator[psutil.Popen]:
    """One more node of a cluster; all of it descends from the process, which takes it down at a SIGTERM."""
    started = _start_node(cluster, Path(os.devnull), *options)
    try:
        yield started
    finally:
        _end(started)


def _start_node(cluster: Head, log: Path, *options: str) -> psutil.Popen:
    """On ports of its own, for all nodes are on this machine."""
    ports = ("node-manager", "object-manager", "dashboard-agent-listen", "dashboard-agent-grpc", "metrics-export", "runtime-env-agent")
    chosen = (word for name, port in zip(ports, free_ports(len(ports)), strict=True) for word in (f"--{name}-port", str(port)))
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats", *chosen),
        *("--address", cluster.environment["RAY_ADDRESS"], *options),
    ]
    with log.open("w") as file:
        return psutil.Popen(command, env=cluster.environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)


def _end(process: psutil.Popen) -> None:
    """And all that descends from it."""
    everything = []
    with contextlib.suppress(psutil.NoSuchProcess):
        everything = [*process.children(recursive=True), process]
    for each in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(everything, timeout=10)


class Nodes:
    """Worker nodes of one CPU, each a tree of processes on this machine."""

    def __init__(self, cluster: Head, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder
        self._living: list[psutil.Popen] = []
        self._num_started = 0

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove_all()

    def add(self) -> None:
        """Returns when the cluster has it. Ray gives up one that needs half a minute; on a busy machine the next may come up."""
        while not self._start():
            assert self._num_started < _MOST_STARTS, (self._folder / f"node-{self._num_started}.log").read_text()

    def _start(self) -> bool:
        self._num_started += 1
        path = self._folder / f"node-{self._num_started}.log"
        node = _start_node(self._cluster, path, "--num-cpus", "1", "--object-store-memory", str(10**8))
        self._living.append(node)
        while "Ray runtime started" not in path.read_text():
            if node.poll() is not None:
                self._living.remove(node)
                return False
            time.sleep(0.2)
        return True

    def remove_busy(self, sweep: "subprocess.Popen[bytes]") -> None:
        """One in the middle of a stage, without grace."""
        while True:
            for node in self._living:
                if any(".train" in title_of(process) for process in node.children(recursive=True)):
                    self._living.remove(node)
                    _end(node)
                    return
            assert sweep.poll() is None, "the study has ended"
            time.sleep(0.01)

    def remove_all(self) -> None:
        """At once and without grace."""
        for node in self._living:
            _end(node)
        self._living.clear()


def title_of(process: psutil.Process) -> str:
    """What a process calls itself; Ray's workers say what they are at."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextlib.contextmanager
def watched(cluster: Head, path: Path) -> Iterator[None]:
    """Meanwhile samples of the cluster are written to `path`; the first is there at the start."""
    with path.open("w") as file:
        watcher = subprocess.Popen([sys.executable, "-m", "tests.faults.watch"], env=cluster.environment, stdout=file, cwd=ROOT)
    try:
        until = time.monotonic() + _START_S
        while not samples(path):
            assert watcher.poll() is None, "the watcher ended"
            assert time.monotonic() < until, f"nothing was seen of the cluster in {_START_S} s"
            time.sleep(0.2)
        yield
    finally:
        watcher.kill()
        watcher.wait()


def samples(path: Path) -> Sequence[Sample]:
    """What the watcher has seen so far."""
    lines = path.read_text().rpartition("\n")[0].splitlines()
    return [Sample.model_validate_json(line) for line in lines]


def is_taken(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def _wait_for(port: int, process: psutil.Popen, log: Path) -> None:
    until = time.monotonic() + _START_S
    while not is_taken(port):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)
