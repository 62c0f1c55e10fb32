"""Temporary folders go with their makers, and what dead ones left goes with the next one; nobody's else does."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sweeps.processes import environment, polystilts
from trainables.scratch import collect_scratch, scratch_folder

MAKER = """
import time
from trainables.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "weights").write_bytes(b"w" * 1000)
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for temporary files of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextmanager
def maker() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process with a folder."""
    with subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_a_folder_goes_with_its_block(place: Path) -> None:
    with scratch_folder() as folder:
        (folder / "weights").write_bytes(b"w")
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_one(place: Path) -> None:
    with maker() as (process, folder):
        with scratch_folder():
            assert (folder / "weights").exists(), "its maker lives"
        assert collect_scratch(is_dry=False) == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (folder / "weights").exists()
    assert collect_scratch(is_dry=True) == 1000
    assert (folder / "weights").exists()
    with scratch_folder() as mine:
        assert list(place.iterdir()) == [mine]


def test_gc_deletes_it_too(place: Path) -> None:
    with maker() as (process, folder):
        process.send_signal(signal.SIGKILL)
        process.wait()
    home = str(place / "home")
    assert json.loads(polystilts("cache", "gc", "--home", home, "--dry-run", "--json"))["scratch_bytes"] == 1000
    assert "0.000 of temporary files on this machine whose processes died" in polystilts("cache", "gc", "--home", home)
    assert not folder.exists()


def test_what_is_not_this_users_folder_stays(place: Path) -> None:
    (place / "victim").mkdir()
    (place / "victim" / "precious").write_text("")
    (place / "polystilts-scratch-link").symlink_to(place / "victim")
    (place / "polystilts-scratch-file").write_text("")
    (place / "polystilts-scratch-Other.name").mkdir()
    others = place / "polystilts-scratch-others"
    others.mkdir()
    if os.geteuid() == 0:
        os.chown(others, 12345, 12345)
    else:
        others.rmdir()
    before = sorted(place.rglob("*"))
    assert collect_scratch(is_dry=False) == 0
    assert sorted(place.rglob("*")) == before


def _work(number: int) -> int:
    for _ in range(200):
        with scratch_folder() as folder:
            (folder / "file").write_text(str(number))
            collect_scratch(is_dry=False)
            assert (folder / "file").read_text() == str(number)
    return number


def test_makers_at_the_same_time_harm_nobody(place: Path) -> None:
    """Between the making of a folder and its lock, others take it for a dead process's."""
    with ProcessPoolExecutor(4) as pool:
        assert sum(pool.map(_work, range(4))) == 6
    assert list(place.iterdir()) == []
