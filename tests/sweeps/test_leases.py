"""A lease is held by one driver while that lives, and no longer."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from sweeps.leases import Driver, Leases
from trainables.store_files import StoreFiles


@pytest.fixture(params=["path", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFiles:
    if request.param == "path":
        return StoreFiles(str(tmp_path))
    return StoreFiles(request.getfixturevalue("bucket"))


def _hold(uri: str, names: list[str], said: Connection) -> None:
    with Leases(StoreFiles(uri), "other") as leases:
        said.send([leases.take(name) is None for name in names])
        said.recv()


@contextmanager
def another_driver(files: StoreFiles, *names: str) -> Iterator[multiprocessing.Process]:
    """A process that has taken the leases; it ends by itself when the block does."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(files.uri, list(names), theirs))
    process.start()
    assert all(ours.recv())
    try:
        yield process  # type: ignore[misc]
    finally:
        ours.send(None)
        process.join()


def test_a_lease_is_taken_by_one_driver_and_given_back_at_its_end(files: StoreFiles) -> None:
    with Leases(files, "mine") as leases:
        with another_driver(files, "train-1") as other:
            holder = leases.take("train-1")
            assert holder is not None
            assert (holder.pid, holder.study) == (other.pid, "other")
            assert str(other.pid) in str(holder)
            assert leases.others() == [holder]
            assert leases.take("train-2") is None
        assert leases.take("train-1") is None
        assert leases.others() == []
    assert files.names("leases") in ([], ["drivers"])
    assert files.names("leases/drivers") == []


def test_a_lease_of_a_killed_driver_is_free_at_once(files: StoreFiles) -> None:
    with Leases(files, "mine") as leases, another_driver(files, "train-1") as other:
        assert leases.take("train-1") is not None
        os.kill(other.pid or 0, signal.SIGKILL)
        other.join()
        assert leases.take("train-1") is None
        assert leases.others() == []


def write_driver(files: StoreFiles, beat: int) -> Driver:
    driver = Driver(host="elsewhere", machine="another", pid=1, started="1", study="other", beat=beat)
    files.write(f"leases/drivers/{driver.id}.json", driver.model_dump_json().encode())
    return driver


def test_a_driver_on_another_machine_lives_as_long_as_its_beat(tmp_path: Path) -> None:
    files = StoreFiles(str(tmp_path))
    driver = write_driver(files, 0)
    files.create("leases/train-1", driver.id.encode())
    ended = threading.Event()

    def beat() -> None:
        number = 0
        while not ended.wait(0.2):
            number += 1
            write_driver(files, number)

    beating = threading.Thread(target=beat)
    beating.start()
    with Leases(files, "mine", dead_after_s=2.0) as leases:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert leases.take("train-1") is not None
            time.sleep(0.1)
        ended.set()
        beating.join()
        assert leases.take("train-1") is not None, "it was seen to beat just now"
        time.sleep(2.2)
        assert leases.take("train-1") is None


@pytest.mark.parametrize("content", [b"", b"nobody", b"../../manifests/x", b"\xff\xfe"])
def test_a_lease_of_nobody_is_free(files: StoreFiles, content: bytes) -> None:
    files.create("leases/train-1", content)
    with Leases(files, "mine") as leases:
        assert leases.take("train-1") is None
        assert leases.take("train-1") is None, "ours"


def test_a_driver_shows_that_it_lives(files: StoreFiles) -> None:
    with Leases(files, "mine", beat_s=0.1):
        (name,) = files.names("leases/drivers")
        found = []
        for _ in range(100):
            content = files.read(f"leases/drivers/{name}")
            found.append(Driver.model_validate_json(content or b"").beat)
            if len(set(found)) > 2:
                break
            time.sleep(0.1)
        assert len(set(found)) > 2
