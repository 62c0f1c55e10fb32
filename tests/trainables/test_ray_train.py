"""Two workers compute what one does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
import torch
from safetensors.torch import load_file

from tests.trainables.toy_stages import init_job, train_job, write_toy_data
from trainables.manifest import CurvePoint
from trainables.ray_train import run_stage_on_workers
from trainables.stage import run_stage
from trainables.store import Store


@pytest.fixture(scope="module")
def three_cpus() -> Iterator[None]:
    runtime_env = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[2])}}
    resources = {"driver_slot": 1}
    ray.init(address="local", num_cpus=3, resources=resources, include_dashboard=False, log_to_driver=False, runtime_env=runtime_env)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("unfreezing", ["at_once", "gradual"])
@pytest.mark.usefixtures("three_cpus")
def test_two_workers_compute_what_one_does(unfreezing: str, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    jobs = {}
    for name, num_workers in (("alone", 1), ("shared", 2)):
        settings = {"store": str(folder / name), "num_workers": num_workers}
        encoder = run_stage(init_job(folder, **settings | {"num_workers": 1}), Store(settings["store"], folder), lambda _: None)
        jobs[name] = train_job(folder, encoder.key, settings, num_evals=6, keep="last", unfreezing=unfreezing)
    alone = run_stage(jobs["alone"], Store(jobs["alone"].store, folder), lambda _: None)
    points: list[CurvePoint] = []
    shared = run_stage_on_workers(jobs["shared"], points.append)

    assert shared.key == alone.key
    assert shared.curve == tuple(points)
    np.testing.assert_allclose([each.train_loss for each in shared.curve], [each.train_loss for each in alone.curve], rtol=1e-5)
    weights = [load_file(Store(job.store, folder).fetch(alone.key) / "model.safetensors") for job in jobs.values()]
    for name, weight in weights[0].items():
        # A key's bias shifts all scores of a query alike, so its gradient is zero but for rounding, which AdamW blows up.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(weights[1][name], weight, rtol=1e-3, atol=1e-5)
    assert shared.cost.device_seconds == 2 * shared.cost.seconds


@pytest.mark.slow
@pytest.mark.usefixtures("three_cpus")
def test_what_a_worker_raises_is_raised_here(tmp_path: Path) -> None:
    job = train_job(write_toy_data(tmp_path), "train-0000000000000000", {"num_workers": 2})
    with pytest.raises(FileNotFoundError, match="train-0000000000000000 has no files"):
        run_stage_on_workers(job, lambda _: None)
