"""What a stage reads is made ready by a process beside it, once for a machine."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import ray

import trainables.prepare
from sweeps.ahead import ReadAhead
from tests.trainables.toy_stages import evaluate_job, init_job, train_job, write_toy_data
from trainables.specs import DataSpec, Job
from trainables.stage import run_stage
from trainables.store import Store


@pytest.fixture(scope="module")
def node():
    """A machine that is said to have a GPU."""
    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, logging_level="error", log_to_driver=False)
    yield ray.nodes()[0]["NodeID"]
    ray.shutdown()


def features(job: Job) -> set[str]:
    return {path.name for path in Path(job.cache).glob("features/*.arrow")}


def test_a_stage_finds_everything_that_it_reads(node, tmp_path):
    folder = write_toy_data(tmp_path)
    store = Store(str(folder / "store"), folder / "cache")
    parent = run_stage(init_job(folder), store, lambda _: None).key
    ahead = ReadAhead()
    trained = train_job(folder, parent)
    evaluated = evaluate_job(folder, parent, "tatoeba")
    on_gpu = [job.model_copy(update={"use_gpu": True}) for job in (trained, evaluated)]
    for job, machines in ((trained, [node]), (on_gpu[0], [node, "another"])):
        ahead.look(job, machines)
    assert not features(trained), "without a GPU there is nobody to spare; of several machines nobody knows which"
    for job in on_gpu:
        ahead.look(job, [node])
    wait_for(lambda: len(features(trained)) == 3)

    def asked_again() -> bool:
        ahead.look(on_gpu[0], [node])
        return len(features(trained)) == 4

    wait_for(asked_again)
    expected = features(trained)
    for job in (trained, evaluated):
        run_stage(job, store, lambda _: None)
    assert features(trained) == expected


def wait_for(is_so) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_who_comes_while_examples_are_made_ready_waits_for_them(monkeypatch, tmp_path):
    folder, made = write_toy_data(tmp_path), []
    store = Store(str(folder / "store"), folder / "cache")
    job = train_job(folder, run_stage(init_job(folder), store, lambda _: None).key)
    make = trainables.prepare._made

    def slowly(data: DataSpec, *given: object) -> object:
        made.append(data)
        time.sleep(0.3)
        return make(data, *given)

    monkeypatch.setattr(trainables.prepare, "_made", slowly)
    with ThreadPoolExecutor(4) as at_once:
        for done in [at_once.submit(trainables.stage.make_ready, job, store) for _ in range(4)]:
            done.result()
    assert len(made) == len(set(made)) == 3
