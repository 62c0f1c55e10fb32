"""Who is at work on what in a store that several drivers share: a stage is built by one of them, and the others wait for it.

    <store>/leases/drivers/<driver>.json   says that a driver lives: its beat goes up while it does
    <store>/leases/<name>                  the driver that holds a stage's key or a study's name

A lease ends with its driver, however that ended: on the same machine at once, elsewhere when its beat has stood still for a while, by the
clock of who looks. On an object store two drivers may take a lease at the very same moment; both then build the stage, which harms nothing.
"""

import functools
import os
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from trainables.specs import Record
from trainables.store_files import StoreFiles

BEAT_S = 15.0
DEAD_AFTER_S = 90.0
"""A beat that has stood still for so long is that of a dead driver."""


class Driver(Record):
    """A process that runs studies."""

    host: str
    machine: str
    """Tells machines of one name apart, and what they call processes."""
    pid: int
    started: str
    """Tells processes of one number apart."""
    study: str
    beat: int = 0

    @property
    def id(self) -> str:
        """A name for files."""
        return f"{self.host}-{self.pid}-{self.started}"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class _Seen(NamedTuple):
    """The beat of a driver elsewhere, and when it was first seen, by the clock here."""

    beat: int
    at_s: float


class Leases:
    """The leases that this process takes for one study; it lives, to others, from `__enter__` to `__exit__`."""

    def __init__(self, files: StoreFiles, study: str, beat_s: float = BEAT_S, dead_after_s: float = DEAD_AFTER_S) -> None:
        self._files = files
        self._me = Driver(host=socket.gethostname(), machine=_machine(), pid=os.getpid(), started=_started(os.getpid()) or "", study=study)
        self._beat_s, self._dead_after_s = beat_s, dead_after_s
        self._held: set[str] = set()
        self._seen: dict[str, _Seen] = {}
        self._ending = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="leases", daemon=True)

    def __enter__(self) -> "Leases":
        self._write_beat(0)
        self._beating.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        self._beating.join()
        for name in tuple(self._held):
            self.give_back(name)
        self._files.delete(_driver_path(self._me.id))

    def take(self, name: str) -> Driver | None:
        """Takes a lease, if this driver has it not yet; returns who has it, if that is another driver that lives."""
        if name in self._held:
            return None
        if self._files.create(_path(name), self._me.id.encode()):
            self._held.add(name)
            return None
        holder = self.holder(name)
        if holder is not None and holder.id != self._me.id:
            return holder
        self._files.delete(_path(name))
        return self.take(name)

    def give_back(self, name: str) -> None:
        """Others may take it."""
        self._held.discard(name)
        if self._files.read(_path(name)) == self._me.id.encode():
            self._files.delete(_path(name))

    def holder(self, name: str) -> Driver | None:
        """Who has a lease, if that is a driver that lives, as far as one look can tell."""
        content = self._files.read(_path(name))
        driver = None if content is None else self._driver(content.decode(errors="replace"))
        return driver if driver is not None and self._lives(driver) else None

    def others(self) -> list[Driver]:
        """The other drivers that live."""
        names = (name.removesuffix(".json") for name in self._files.names("leases/drivers"))
        found = [self._driver(name) for name in names if name != self._me.id]
        return [driver for driver in found if driver is not None and self._lives(driver)]

    def _driver(self, name: str) -> Driver | None:
        content = self._files.read(_driver_path(name)) if "/" not in name else None
        try:
            return None if content is None else Driver.model_validate_json(content)
        except ValidationError:
            return None

    def _lives(self, driver: Driver) -> bool:
        if driver.machine == self._me.machine:
            return _started(driver.pid) == driver.started
        seen = self._seen.get(driver.id)
        if seen is None or seen.beat != driver.beat:
            self._seen[driver.id] = seen = _Seen(driver.beat, time.monotonic())
        return time.monotonic() - seen.at_s < self._dead_after_s

    def _beat(self) -> None:
        beat = 0
        while not self._ending.wait(self._beat_s):
            beat += 1
            try:
                self._write_beat(beat)
            except OSError:
                continue  # an object store that is away for longer than others wait costs work done twice, nothing else

    def _write_beat(self, beat: int) -> None:
        me = self._me.model_copy(update={"beat": beat})
        self._files.write(_driver_path(me.id), me.model_dump_json().encode())


def _path(name: str) -> str:
    return f"leases/{name}"


def _driver_path(name: str) -> str:
    return f"leases/drivers/{name}.json"


@functools.cache
def _machine() -> str:
    """The boot of the kernel and the namespace of process numbers; without them, this name alone."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return f"{boot.read_text().strip()} {namespace.readlink()}" if boot.exists() and namespace.is_symlink() else socket.gethostname()


def _started(pid: int) -> str | None:
    """When a process of this machine began, in the kernel's ticks; None if there is none."""
    try:
        # the name in the second field may hold anything; the last parenthesis ends it
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else fields[18]
