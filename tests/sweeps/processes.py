"""Runs `polystilts` as a user does, in processes of its own, and reads what it leaves behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities import Run

TIMINGS = ["device_s"]
MARK = "POLYSTILTS_TEST_HOME"
"""In the environment of a driver and of all that it starts: the home that they work on."""


def command(study: Path, home: Path) -> list[str]:
    return [sys.executable, "-m", "sweeps.cli", "run", str(study), "--home", str(home)]


def run(study: Path, home: Path, **variables: str) -> str:
    """Runs a study to its end on two cores at most; returns what it printed."""
    done = driver(study, home, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def driver(study: Path, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a study until it ends, whichever way."""
    variables |= {MARK: str(home)}
    return subprocess.run(command(study, home), capture_output=True, text=True, check=False, env=environment(**variables))


def polystilts(*words: str) -> str:
    """Runs a verb to its end; returns its standard output."""
    done = subprocess.run([sys.executable, "-m", "sweeps.cli", *words], capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(**variables: str) -> dict[str, str]:
    """This process's, without what names another home, cluster or MLflow, and with `variables`."""
    left_out = ("MLFLOW_TRACKING_URI", "POLYSTILTS_HOME", "POLYSTILTS_STORE", "POLYSTILTS_DATA", "POLYSTILTS_WEBHOOK", "RAY_ADDRESS")
    return {name: value for name, value in os.environ.items() if name not in left_out} | variables


def run_and_kill(study: Path, home: Path, after_stages: int, wait_s: float, **variables: str) -> bool:
    """Starts a study and ends its driver by SIGKILL, `wait_s` after it has `after_stages` stages; False if it ended by itself before."""
    with subprocess.Popen(
        command(study, home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(**variables | {MARK: str(home)})
    ) as process:
        while process.poll() is None and len(manifests(home)) < after_stages:
            time.sleep(0.05)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
        process.send_signal(signal.SIGKILL)
    if process.returncode in (0, -signal.SIGKILL):
        return process.returncode != 0
    raise AssertionError(f"the driver ended with {process.returncode}")


def started_for(home: Path) -> list[psutil.Process]:
    """The living processes that drivers of `home` started, and they themselves."""
    return [process for process in psutil.process_iter() if _home_of(process) == str(home) and process.status() != psutil.STATUS_ZOMBIE]


def left_running(home: Path, within_s: float = 60.0) -> list[psutil.Process]:
    """What drivers of `home` that are dead have left, after so long at most."""
    deadline = time.monotonic() + within_s
    while (left := started_for(home)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except psutil.Error:  # gone meanwhile, or another user's
        return None


def manifests(home: Path) -> dict[str, bytes]:
    """The manifests in the store, by key."""
    return {path.stem: path.read_bytes() for path in (home / "store" / "manifests").glob("[!.]*.json")}


def failed_logs(home: Path) -> list[str]:
    """What the stages said that raised an exception."""
    found = [path.read_text() for path in sorted((home / "store" / "logs").iterdir())]
    return [text for text in found if " failed\nTraceback" in text]


def results(home: Path, study: str) -> list[dict[str, object]]:
    """The results table without timings."""
    return pq.read_table(home / "reports" / study / "results.parquet").drop_columns(TIMINGS).to_pylist()


def mlflow_runs(home: Path, study: str, uri: str | None = None) -> list[Run]:
    """All runs of a study's experiment, in its home's database or at `uri`."""
    client = MlflowClient(uri or f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=10_000))
