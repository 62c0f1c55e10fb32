"""A training whose process is killed goes on: it repeats the steps of one checkpoint interval at most, and comes to the same end."""

import multiprocessing
import random
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.test_store_faults import flip
from tests.trainables.test_train import ignore, run
from tests.trainables.toy_training import toy_model
from trainables.progress import Point
from trainables.train import Trained

INTERVAL = 10
"""Steps from one evaluation to the next; a checkpoint is written after each."""
NUM_EVALS = 40


def attempt(folder: Path, checkpoints: Path | None, report: Callable[[Point], None] = ignore) -> Trained:
    options: dict[str, Any] = {"report": report, "checkpoints": checkpoints, "checkpoint_every_s": 0.0}
    model = toy_model("bert", folder, "tagging", dropout=0.1)
    return run(model, "tagging", options=options, steps=INTERVAL * NUM_EVALS, num_evals=NUM_EVALS)


def attempt_that_tells(folder: Path, checkpoints: Path, told: Path) -> None:
    """The body of a process; `told` gets a line with the step of each evaluation."""
    with open(told, "a") as file:
        attempt(folder, checkpoints, lambda point: print(point.step, file=file, flush=True))


def killed_after(num_evals: int, wait_s: float, folder: Path, checkpoints: Path, told: Path) -> list[int]:
    """Runs an attempt in a process that is killed after so many evaluations and seconds; the steps of its evaluations."""
    told.touch()
    process = multiprocessing.get_context("spawn").Process(target=attempt_that_tells, args=(folder, checkpoints, told))
    process.start()
    while process.is_alive() and told.read_text().count("\n") < num_evals:
        time.sleep(0.001)
    time.sleep(wait_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it was killed in the middle"
    return [int(step) for step in told.read_text().split("\n")[:-1]]


@pytest.mark.slow
def test_a_killed_training_repeats_one_interval_at_most(tmp_path: Path) -> None:
    draw = random.Random(seed := secrets.randbelow(10**6))
    print(f"random.Random({seed})")
    checkpoints = tmp_path / "progress"
    last = None
    for number in range(2):
        steps = killed_after(draw.randint(3, 8), draw.uniform(0, 0.03), tmp_path / "model", checkpoints, tmp_path / f"attempt-{number}")
        if last is not None:
            print(f"died after step {last}, went on after {steps[0] - INTERVAL}")
            assert last - (steps[0] - INTERVAL) <= INTERVAL
        last = steps[-1]
    assert last is not None
    flip(max(checkpoints.glob("step-*.pt")))
    points: list[Point] = []
    resumed = attempt(tmp_path / "model", checkpoints, points.append)
    print(f"died after step {last}, went on after {points[0].step - INTERVAL}, the newest checkpoint damaged")
    assert last - (points[0].step - INTERVAL) <= 2 * INTERVAL
    assert points[0].step > INTERVAL, "it did not begin anew"
    np.testing.assert_array_equal(resumed.losses_K, attempt(tmp_path / "model", None).losses_K)
