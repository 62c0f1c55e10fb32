"""Two workers compute what one does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
import torch
from safetensors.torch import load_file

from tests.trainables.toy_stages import evaluate_job, init_job, train_job, write_toy_data
from trainables.manifest import CurvePoint, Manifest
from trainables.ray_train import WorkerLostError, run_stage_in_task, run_stage_on_workers
from trainables.stage import run_stage
from trainables.store import Store


def ignore(_point: CurvePoint) -> None:
    pass


@pytest.fixture(scope="module")
def three_cpus() -> Iterator[None]:
    runtime_env = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[2])}}
    resources = {"driver_slot": 1}
    ray.init(address="local", num_cpus=3, resources=resources, include_dashboard=False, log_to_driver=False, runtime_env=runtime_env)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize(("unfreezing", "is_sharded"), [("at_once", False), ("gradual", False), ("at_once", True)])
@pytest.mark.usefixtures("three_cpus")
def test_two_workers_compute_what_one_does(unfreezing: str, is_sharded: bool, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    jobs = {}
    for name, num_workers in (("alone", 1), ("shared", 2)):  # alone, `is_sharded` says nothing
        settings = {"store": str(folder / name), "num_workers": num_workers, "is_sharded": is_sharded}
        encoder = run_stage(init_job(folder, **settings | {"num_workers": 1}), Store(settings["store"], folder), ignore)
        jobs[name] = train_job(folder, encoder.key, settings, num_evals=6, keep="last", unfreezing=unfreezing)
    alone = run_stage(jobs["alone"], Store(jobs["alone"].store, folder), ignore)
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
def test_two_workers_score_what_one_does_to_the_byte(tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    found: dict[str, list[Manifest]] = {"alone": [], "shared": []}
    for name, manifests in found.items():
        store = {"store": str(folder / name)}
        encoder = run_stage_in_task(init_job(folder, **store))
        trained = run_stage(train_job(folder, encoder.key, store), Store(store["store"], folder), ignore)
        for task in ("pawsx", "tatoeba"):
            if name == "alone":
                manifests.append(run_stage(evaluate_job(folder, trained.key, task, store), Store(store["store"], folder), ignore))
            else:
                manifests.append(run_stage_on_workers(evaluate_job(folder, trained.key, task, store | {"num_workers": 2}), ignore))
    for alone, shared in zip(found["alone"], found["shared"], strict=True):
        assert (shared.key, shared.files, shared.measurements, shared.data) == (alone.key, alone.files, alone.measurements, alone.data)
        assert shared.cost.num_tokens == alone.cost.num_tokens


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "is_sharded"), [(0, False), (1, True)])
@pytest.mark.usefixtures("three_cpus")
def test_a_killed_worker_is_no_fault_of_the_stage_and_the_next_attempt_goes_on(rank: int, is_sharded: bool, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    settings = {"store": str(folder / "store"), "num_workers": 2, "is_sharded": is_sharded, "checkpoint_every_s": 1e-3}
    encoder = run_stage(init_job(folder, store=settings["store"]), Store(settings["store"], folder), ignore)
    job = train_job(folder, encoder.key, settings, num_evals=10, keep="last")
    points: list[CurvePoint] = []

    def kill(point: CurvePoint) -> None:
        points.append(point)
        if len(points) == 5:
            workers = [process for process in psutil.Process().children(recursive=True) if process.name().startswith("ray::RayTrainWo")]
            sorted(workers, key=lambda process: process.pid)[rank].kill()

    with pytest.raises(WorkerLostError):
        run_stage_on_workers(job, kill)
    num_before = len(points)
    resumed = run_stage_on_workers(job, points.append)
    assert points[num_before].step > points[0].step, "it did not begin anew"

    store = Store(str(folder / "alone"), folder)
    run_stage(init_job(folder, store=store.uri), store, ignore)
    alone = run_stage(train_job(folder, encoder.key, {"store": store.uri}, num_evals=10, keep="last"), store, ignore)
    np.testing.assert_allclose([each.train_loss for each in resumed.curve], [each.train_loss for each in alone.curve], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("three_cpus")
def test_what_a_worker_raises_is_raised_here(tmp_path: Path) -> None:
    job = train_job(write_toy_data(tmp_path), "train-0000000000000000", {"num_workers": 2})
    with pytest.raises(FileNotFoundError, match="train-0000000000000000 has no files"):
        run_stage_on_workers(job, ignore)
