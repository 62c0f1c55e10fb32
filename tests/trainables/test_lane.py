"""Two workers compute what one does, stage after stage."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
import torch
from ray._private.state import actors
from ray.util.placement_group import placement_group, remove_placement_group
from safetensors.torch import load_file

from tests.trainables.toy_stages import evaluate_job, init_job, train_job, write_toy_data
from trainables.lane import Lane
from trainables.manifest import CurvePoint, Manifest
from trainables.ray_task import WorkerLostError, run_stage_in_task
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import LostArtifactError, Store


def ignore(_point: CurvePoint) -> None:
    pass


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Room for two lanes and a task."""
    runtime_env = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[2])}}
    ray.init(address="local", num_cpus=5, include_dashboard=False, log_to_driver=False, runtime_env=runtime_env)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def lane(cluster: None) -> Iterator[Lane]:  # noqa: ARG001
    """One that stays open from test to test, unless one of them breaks it."""
    lane = Lane(idle_s=1e4)
    yield lane
    lane.close()
    assert not placement_groups()


def run(lane: Lane, job: Job) -> Manifest:
    points = tuple(lane.run(job))
    manifest = Store(job.store, Path(job.cache)).manifest(job.spec.key)
    assert manifest is not None
    assert points == manifest.curve
    return manifest


def workers() -> list[psutil.Process]:
    """Those of lanes, in the order of their start."""
    return sorted(filter(is_worker, psutil.Process().children(recursive=True)), key=lambda process: process.pid)


def is_worker(process: psutil.Process) -> bool:
    """Of a lane; not one that has just ended."""
    try:
        return process.name().startswith("ray::RayTrainWo")
    except psutil.NoSuchProcess:
        return False


def placement_groups() -> set[str]:
    return {name for name, group in ray.util.placement_group_table().items() if group["state"] != "REMOVED"}


def all_held() -> tuple[set[str], Counter[str], list[psutil.Process]]:
    """Placement groups, living actors by class, and the workers' processes."""
    living = Counter(actor["ActorClassName"] for actor in actors().values() if actor["State"] != "DEAD")
    return placement_groups(), living, workers()


def toy_training(folder: Path) -> Manifest:
    store = Store(str(folder / "store"), folder)
    encoder = run_stage(init_job(folder), store, ignore)
    return run_stage(train_job(folder, encoder.key), store, ignore)


@ray.remote(num_cpus=0)
class Holder:
    """A process with a lane, as a Tune actor is."""

    def pid(self) -> int:
        return os.getpid()

    def run(self, job: str) -> int:
        self.lane = Lane(idle_s=1e4)
        list(self.lane.run(Job.model_validate_json(job)))
        return os.getpid()


@pytest.mark.slow
def test_what_a_killed_process_held_is_free_for_the_next_lane(lane: Lane, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    trained = toy_training(folder)
    holder = Holder.remote()
    os.kill(ray.get(holder.run.remote(evaluate_job(folder, trained.key, job={"num_workers": 2}).model_dump_json())), signal.SIGKILL)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(holder.run.remote(""))
    held = placement_groups()
    run(lane, evaluate_job(folder, trained.key, "tatoeba", {"num_workers": 2}))
    assert len(held) == len(placement_groups()) == 1
    assert placement_groups() != held
    assert len(workers()) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_what_is_killed_before_its_workers_are_there_holds_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.lane._FREE_EVERY_S", 0.5)
    folder = write_toy_data(tmp_path)
    trained = toy_training(folder)
    before, holder = placement_groups(), Holder.remote()
    pid = ray.get(holder.pid.remote())
    holder.run.remote(evaluate_job(folder, trained.key, job={"num_workers": 2}).model_dump_json())
    while not (held := placement_groups() - before):
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(holder.pid.remote())
    other = Lane(idle_s=1e4)
    run(other, evaluate_job(folder, trained.key, "tatoeba", {"num_workers": 2}))
    other.close()
    assert not placement_groups() & held


@pytest.mark.slow
@pytest.mark.parametrize(("unfreezing", "is_sharded"), [("at_once", False), ("gradual", False), ("at_once", True)])
def test_two_workers_compute_what_one_does(lane: Lane, unfreezing: str, is_sharded: bool, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    jobs = {}
    for name, num_workers in (("alone", 1), ("shared", 2)):  # alone, `is_sharded` says nothing
        settings = {"store": str(folder / name), "num_workers": num_workers, "is_sharded": is_sharded}
        encoder = run_stage(init_job(folder, **settings | {"num_workers": 1}), Store(settings["store"], folder), ignore)
        jobs[name] = train_job(folder, encoder.key, settings, num_evals=6, keep="last", unfreezing=unfreezing)
    alone = run_stage(jobs["alone"], Store(jobs["alone"].store, folder), ignore)
    shared = run(lane, jobs["shared"])

    assert shared.key == alone.key
    np.testing.assert_allclose([each.train_loss for each in shared.curve], [each.train_loss for each in alone.curve], rtol=1e-5)
    weights = [load_file(Store(job.store, folder).fetch(alone.key) / "model.safetensors") for job in jobs.values()]
    for name, weight in weights[0].items():
        # A key's bias shifts all scores of a query alike, so its gradient is zero but for rounding, which AdamW blows up.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(weights[1][name], weight, rtol=1e-3, atol=1e-5)
    assert shared.cost.device_seconds == 2 * shared.cost.seconds


@pytest.mark.slow
def test_two_workers_score_what_one_does_to_the_byte(lane: Lane, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    found: dict[str, list[Manifest]] = {"alone": [], "shared": []}
    computing = []
    for name, manifests in found.items():
        store = {"store": str(folder / name)}
        encoder = run_stage_in_task(init_job(folder, **store))
        trained = run_stage(train_job(folder, encoder.key, store), Store(store["store"], folder), ignore)
        for task in ("pawsx", "tatoeba"):
            if name == "alone":
                manifests.append(run_stage(evaluate_job(folder, trained.key, task, store), Store(store["store"], folder), ignore))
            else:
                manifests.append(run(lane, evaluate_job(folder, trained.key, task, store | {"num_workers": 2})))
                computing.append(workers())
    assert computing[0] == computing[1], "the same took both stages"
    for alone, shared in zip(found["alone"], found["shared"], strict=True):
        assert (shared.key, shared.files, shared.measurements, shared.data) == (alone.key, alone.files, alone.measurements, alone.data)
        assert shared.cost.num_tokens == alone.cost.num_tokens


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "is_sharded"), [(0, False), (1, True)])
def test_a_killed_worker_is_no_fault_of_the_stage_and_the_next_attempt_goes_on(
    lane: Lane, rank: int, is_sharded: bool, tmp_path: Path
) -> None:
    folder = write_toy_data(tmp_path)
    settings = {"store": str(folder / "store"), "num_workers": 2, "is_sharded": is_sharded, "checkpoint_every_s": 1e-3}
    encoder = run_stage(init_job(folder, store=settings["store"]), Store(settings["store"], folder), ignore)
    job = train_job(folder, encoder.key, settings, num_evals=10, keep="last")
    results = lane.run(job)
    points = [next(results) for _ in range(5)]
    workers()[rank].kill()
    with pytest.raises(WorkerLostError):
        list(results)
    rest = list(lane.run(job))
    assert rest[0].step > points[0].step, "it did not begin anew"

    store = Store(str(folder / "alone"), folder)
    run_stage(init_job(folder, store=store.uri), store, ignore)
    alone = run_stage(train_job(folder, encoder.key, {"store": store.uri}, num_evals=10, keep="last"), store, ignore)
    resumed = Store(job.store, folder).manifest(job.spec.key)
    assert resumed is not None
    np.testing.assert_allclose([each.train_loss for each in resumed.curve], [each.train_loss for each in alone.curve], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_stage_makes_do_with_the_workers_that_there_is_room_for_and_the_next_has_more(tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    trained = toy_training(folder)
    before = len(workers())
    elastic = Lane(idle_s=1e4, grow_within_s=1.0)
    jobs = {"num_workers": 2, "fewest_workers": 1}
    others = placement_group([{"CPU": ray.available_resources()["CPU"] - 1}])
    assert others.wait(60)
    (first,) = [run(elastic, evaluate_job(folder, trained.key, job=jobs))]
    assert len(workers()) == before + 1
    remove_placement_group(others)
    ended = time.monotonic() + 20
    while ray.available_resources().get("CPU", 0) < 2 and time.monotonic() < ended:
        time.sleep(0.2)
    run(elastic, evaluate_job(folder, trained.key, "tatoeba", jobs))
    assert len(workers()) == before + 2
    elastic.close()
    assert first.cost.device_seconds == pytest.approx(first.cost.seconds), "it is counted as one"


@pytest.mark.slow
def test_a_stage_that_raises_is_followed_by_one_that_works_and_nothing_is_left_of_an_idle_lane(lane: Lane, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    trained = toy_training(folder)
    run(lane, evaluate_job(folder, trained.key, job={"num_workers": 2}))  # beside it, another may be open
    held = all_held()

    short = Lane(idle_s=0.5)
    with pytest.raises(LostArtifactError, match="train-0000000000000000 has no files"):
        list(short.run(train_job(folder, "train-0000000000000000", {"num_workers": 2})))
    assert placement_groups() == held[0]
    run(short, evaluate_job(folder, trained.key, "tatoeba", {"num_workers": 2}))
    assert len(placement_groups()) == 2
    assert len(workers()) == 4
    ended = time.monotonic() + 20
    while (all_held() != held or any((folder / "store/ray_train").iterdir())) and time.monotonic() < ended:
        time.sleep(0.2)
    assert all_held() == held
    assert not list((folder / "store/ray_train").iterdir())
