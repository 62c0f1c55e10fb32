"""What a driver is told from another terminal: each order has its own meaning, and the study goes on afterwards."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeps.brakes import NO_LIMITS, Brakes
from sweeps.orders import Listener, Orders, RunCancelledError
from tests.sweeps.processes import environment
from tests.sweeps.test_shared_store import attempts, end, num_attempts, start
from trainables.store_files import StoreFiles

ONE_LONG_ENCODER = {
    "steps: 10": "steps: 1200",
    "max_length: 64, num_evals: 1": "max_length: 64, num_evals: 12",
    "trials: 2, replicates: 2": "trials: 1, replicates: 1",
}


def order(folder: Path, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    places = ("--home", str(folder / "home_ordered"), "--store", str(folder / "store"))
    command = [sys.executable, "-m", "sweeps.cli", verb, str(folder / "ordered.yaml"), *places, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


def begun(folder: Path) -> "subprocess.Popen[str]":
    """A run whose first training is under way."""
    num_before = num_evals_logged(folder)
    process = start(folder, "ordered", changes=ONE_LONG_ENCODER)
    until = time.monotonic() + 120
    while num_evals_logged(folder) == num_before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no training began"
        time.sleep(0.05)
    return process


def num_evals_logged(folder: Path) -> int:
    """Of trainings, whether or not they came to their end."""
    return sum(path.read_text().count(" step ") for path in (folder / "store/logs").glob("train-*.txt"))


def checkpoints(folder: Path) -> list[Path]:
    return list((folder / "store/progress").glob("train-*/step-*.pt"))


@pytest.mark.slow
def test_a_run_is_cancelled_paused_stopped_and_resumed(tmp_path: Path) -> None:
    running = begun(tmp_path)
    told = order(tmp_path, "cancel", "--wait", "60")
    assert (told.returncode, "has ended" in told.stdout) == (0, True), told.stdout + told.stderr
    code, _, errors = end(running)
    assert code == 3, errors
    assert "polystilts: paused: it was told to cancel; the same command goes on" in errors
    assert checkpoints(tmp_path) == []

    running = begun(tmp_path)
    told = order(tmp_path, "pause", "--wait", "60", "--json")
    assert json.loads(told.stdout) == {"study": "ordered", "order": "pause", "driver": json.loads(told.stdout)["driver"], "ended": True}
    code, _, errors = end(running)
    assert code == 3, errors
    assert "it was told to pause: trainings under way keep a checkpoint and end" in errors
    assert checkpoints(tmp_path), "one for each training that was under way"

    running = begun(tmp_path)
    assert "was told to stop" in order(tmp_path, "stop").stdout
    watched = order(tmp_path, "status", "--watch").stdout.splitlines()
    assert watched[0].startswith("ordered: running; ")
    (ended,) = (place for place, line in enumerate(watched) if line.startswith("ordered: unfinished; "))
    assert all(line.startswith("ordered: running; ") for line in watched[:ended])
    assert any(line.startswith("  unfinished: pocket: pocket_flavour_all -> ") for line in watched[ended:])
    assert watched[-1].startswith("next: polystilts run ")
    code, _, errors = end(running)
    assert code == 3, errors
    assert not checkpoints(tmp_path), "the trainings that had some are done"

    assert order(tmp_path, "pause").stderr == (
        f"polystilts: study 'ordered' is not being run in {tmp_path / 'store'}, so that there is nothing to pause\n"
    )
    resumed = order(tmp_path, "resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert (len(attempts(tmp_path)), num_attempts(tmp_path)) == (5, {1}), "each stage once"


def test_an_order_waits_is_replaced_and_is_withdrawn(tmp_path: Path) -> None:
    orders = Orders(StoreFiles(str(tmp_path)), "mine")
    assert (orders.read(), orders.withdraw()) == (None, False)
    orders.give("stop")
    orders.give("pause")
    assert orders.read() == "pause"
    assert (orders.withdraw(), orders.read()) == (True, None)


def test_a_listener_hears_what_comes_and_outlives_a_store_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.orders.LISTEN_EVERY_S", 0.01)
    orders, is_away = Orders(StoreFiles(str(tmp_path)), "mine"), [False]
    read = orders.read

    def read_or_fail() -> str | None:
        if is_away[0]:
            raise OSError("the store is away")
        return read()

    monkeypatch.setattr(orders, "read", read_or_fail)
    with Listener(orders) as listener:
        assert listener.heard() is None
        is_away[0] = True
        orders.give("stop")
        time.sleep(0.1)
        assert listener.heard() is None
        is_away[0] = False
        until = time.monotonic() + 10
        while listener.heard() != "stop":
            assert time.monotonic() < until
            time.sleep(0.01)


def test_what_nobody_could_have_ordered_is_no_order(tmp_path: Path) -> None:
    files = StoreFiles(str(tmp_path))
    files.write("orders/mine.json", b'{"what": "rm -rf"}')
    assert Orders(files, "mine").read() is None


def test_brakes_obey_orders(tmp_path: Path) -> None:
    for what, ends_stages in (("pause", True), ("stop", False)):
        stop = Brakes([tmp_path], NO_LIMITS, heard=lambda what=what: what).stop()
        assert stop is not None
        assert (stop.ends_stages, f"told to {what}" in stop.reason) == (ends_stages, True)
    with pytest.raises(RunCancelledError):
        Brakes([tmp_path], NO_LIMITS, heard=lambda: "cancel").stop()
