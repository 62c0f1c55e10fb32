"""Runs `polystilts` as a user does, in processes of its own, and reads what it leaves behind."""

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


def command(study: Path, home: Path) -> list[str]:
    return [sys.executable, "-m", "sweeps.cli", "run", str(study), "--home", str(home)]


def run(study: Path, home: Path) -> str:
    """Runs a study to its end on two cores at most; returns what it printed."""
    done = subprocess.run(command(study, home), capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def polystilts(*words: str) -> str:
    """Runs a verb to its end; returns its standard output."""
    done = subprocess.run([sys.executable, "-m", "sweeps.cli", *words], capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "POLYSTILTS_HOME", "RAY_ADDRESS")}


def run_and_kill(study: Path, home: Path, after_stages: int, wait_s: float) -> list[psutil.Process]:
    """Starts a study and ends its driver by SIGKILL, `wait_s` after it has `after_stages` stages; returns what it had started."""
    driver = subprocess.Popen(command(study, home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    while driver.poll() is None and len(manifests(home)) < after_stages:
        time.sleep(0.05)
    time.sleep(wait_s)
    started = psutil.Process(driver.pid).children(recursive=True) if driver.poll() is None else []
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    return started


def manifests(home: Path) -> dict[str, bytes]:
    """The manifests in the store, by key."""
    return {path.stem: path.read_bytes() for path in (home / "store" / "manifests").glob("[!.]*.json")}


def results(home: Path, study: str) -> list[dict[str, object]]:
    """The results table without timings."""
    return pq.read_table(home / "reports" / study / "results.parquet").drop_columns(TIMINGS).to_pylist()


def mlflow_runs(home: Path, study: str) -> list[Run]:
    """All runs of a study's experiment."""
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=10_000))
