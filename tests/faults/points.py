"""The points between two writes at which a process is killed, and how it is brought to die there (`killed_at/sitecustomize.py`)."""

import json
import os
import signal
import uuid
from pathlib import Path
from typing import Literal, NamedTuple

from tests.sweeps.processes import driver

HERE = Path(__file__).parent


class Point(NamedTuple):
    """A call of a function, in whichever process it is made."""

    function: str
    """`module:name`"""
    when: Literal["before", "after"]
    call: int = 1
    """Which one of the process."""
    about: str = ""
    """Only calls with this in their arguments count."""

    def __str__(self) -> str:
        about = f" about {self.about}" if self.about else ""
        return f"{self.when} call {self.call} of {self.function}{about}"


PUBLISHING = (
    Point("trainables.store:Store._put", "after", 1, "artifacts/train-"),
    Point("os:replace", "before", 1, "/manifests/train-"),
    Point("trainables.store:Store.publish", "after"),
)
"""In a worker that publishes a stage: after one of its files, after all of them, after the manifest."""

WALKING = (
    Point("os:replace", "before", 1, "/mlflow.db"),
    Point("sweeps.plan_searcher:PlanSearcher.on_trial_complete", "before"),
    Point("trainables.store_files:StoreFiles.delete", "before", 1, "artifacts/train-"),
    Point("sweeps.run:walk_store", "before"),
    Point("sweeps.leases:Leases.take", "after", 3),
    Point("sweeps.mlflow_view:MlflowView._find_or_create", "after", 5),
    Point("sweeps.mlflow_view:MlflowView._log", "after", 7),
    Point("sweeps.journal:Journal._pair_finished", "before"),
    Point("sweeps.journal:Journal._pair_finished", "after", 3),
)
"""In a driver: with a database that has no name yet; with a stage that nobody was told of; in the middle of removing what lost a search;
with the study's lock and nothing else; with leases on stages that nobody was handed; with a run of MLflow without parameters, with one that
is not ended; before and after a pair is told of."""

ENDING = (
    Point("sweeps.report.write:_replace", "before"),
    Point("os:replace", "before", 2, "/reports/"),
    Point("sweeps.report.write:_replace", "after", 3),
    Point("sweeps.report.write:_write_tables", "before"),
    Point("sweeps.tracking:Tracker.close", "before"),
    Point("sweeps.mlflow_view:MlflowView._study_finished", "before"),
)
"""In the driver of a study whose stages are all there."""

SPOOLING = (
    Point("sweeps.tracking:_Spool.append", "after", 3),
    Point("sweeps.tracking:_Spool.remove", "before"),
    Point("sweeps.tracking:_Spool.remove", "after"),
)
"""In a driver without MLflow; in the next one, which has read what the first spooled; after it has removed that."""


def killed_at(point: Point, study: Path, home: Path, *, worker_alone: bool = False, **variables: str) -> str:
    """Runs a study whose driver dies at `point`; or, if it is that of a worker, the worker alone, once: then the driver ends well.

    Returns what it printed.
    """
    reached = home.parent / f"reached-{uuid.uuid4().hex[:8]}"
    done = driver(study, home, **dying_at(point, reached, worker_alone=worker_alone), **variables)
    assert reached.exists(), f"{point} was not reached: {done.stdout}{done.stderr}"
    assert done.returncode == (0 if worker_alone else -signal.SIGKILL), done.stdout + done.stderr
    return done.stdout


def dying_at(point: Point, reached: Path, *, worker_alone: bool) -> dict[str, str]:
    """The environment in which the first process that comes to `point` dies; `reached` is there afterwards."""
    module, name = point.function.split(":")
    what = point._asdict() | {"module": module, "name": name, "reached": str(reached), "worker_alone": worker_alone}
    path = os.pathsep.join([str(HERE / "killed_at"), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path, "KILL_AT": json.dumps(what)}
