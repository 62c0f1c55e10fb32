"""Kills the drivers of a study at moments that a seed draws, and counts what was lost, done twice, or left behind."""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tests.sweeps.processes import left_running, manifests, mlflow_runs, results, run, run_and_kill
from trainables.manifest import Manifest
from trainables.store import Store

STUDY = Path(__file__).parent / "studies" / "faulty.yaml"


class Toll(NamedTuple):
    """What faults did to a study: all 0."""

    lost: int = 0
    """Stages whose manifest was there and is no more."""
    executed_again: int = 0
    """Stages that were in the store and were computed once more."""
    corrupt: int = 0
    """Stages whose files are not those that were published, or that a driver found so."""
    wrong_runs: int = 0
    """Runs of MLflow that are missing, that nobody asked for, that are there twice, or that were never ended."""
    wrong_rows: int = 0
    """Of the results table, against that of the study that ran undisturbed."""
    left_running: int = 0
    """Processes of dead drivers."""


class Watch:
    """Remembers what a home has committed, from look to look."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._committed: dict[str, dict[str, Any]] = {}
        self._lost: set[str] = set()
        self._changed: set[str] = set()

    def look(self) -> None:
        """Whoever drops the files of a stage that lost its search rewrites its manifest; nothing else may."""
        found = {
            key: Manifest.model_validate_json(text).model_dump(exclude={"files_dropped"}) for key, text in manifests(self._home).items()
        }
        self._lost |= self._committed.keys() - found.keys()
        self._changed |= {key for key, manifest in self._committed.items() if found.get(key, manifest) != manifest}
        self._committed |= found

    def toll(self, study: Path, undisturbed: Path, mlflow: str | None = None) -> Toll:
        """After a driver has ended well; `undisturbed` is the home of one that was left alone, `mlflow` a server that was told instead."""
        self.look()
        store = Store(str(self._home / "store"), self._home / "cache")
        damaged = sum(store.damage(found) is not None for found in map(store.manifest, store.keys()) if found is not None)
        rows, wanted = ([repr(row) for row in results(home, study.stem)] for home in (self._home, undisturbed))
        return Toll(
            lost=len(self._lost),
            executed_again=len(self._changed),
            corrupt=damaged + len(list((self._home / "store" / "quarantine").glob("*"))),
            wrong_runs=wrong_runs(self._home, undisturbed, study.stem, mlflow),
            wrong_rows=sum(((Counter(rows) - Counter(wanted)) + (Counter(wanted) - Counter(rows))).values()),
            left_running=len(left_running(self._home)),
        )


def wrong_runs(home: Path, undisturbed: Path, study: str, mlflow: str | None = None) -> int:
    """Runs that are not, each once and ended, those of the undisturbed study; at `mlflow` if it was told."""
    runs = mlflow_runs(home, study, mlflow)
    there, wanted = (Counter(each.data.tags["stage_key"] for each in found) for found in (runs, mlflow_runs(undisturbed, study)))
    return sum(((there - wanted) + (wanted - there)).values()) + sum(each.info.status == "RUNNING" for each in runs)


def storm(study: Path, home: Path, undisturbed: Path, num_kills: int, draw: random.Random) -> Toll:
    """Starts a study again and again, kills its driver `num_kills` times, then lets it end."""
    num_stages = len(manifests(undisturbed))
    watch, kills = Watch(home), 0
    while kills < num_kills:
        kills += run_and_kill(study, home, *moment(len(manifests(home)), num_stages, draw))
        watch.look()
    run(study, home)
    return watch.toll(study, undisturbed)


def copy_home(home: Path, folder: Path) -> Path:
    """A finished home that may be harmed."""
    return Path(shutil.copytree(home, folder / "home"))


def moment(num_there: int, num_stages: int, draw: random.Random) -> tuple[int, float]:
    """When to kill: after so many stages are in the store, and so many seconds.

    Half of the kills wait for one to three new stages; the others come before any: while the driver reads the study, starts Ray and trains,
    or, where every stage is there, writes the report and tells MLflow.
    """
    num_new = min(draw.choice((0, 0, 0, 1, 2, 3)), num_stages - num_there)
    return num_there + num_new, draw.uniform(0, 1.5 if num_new else 6.0)
