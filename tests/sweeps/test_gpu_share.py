"""What part of a GPU a stage is given, by what the like of it took."""

from pathlib import Path

import pytest

from sweeps.gpu_share import GpuShares
from sweeps.plan import Request
from sweeps.results import Context
from sweeps.study import MAX_SHARING, Resources
from tests.trainables.toy_stages import evaluate_job, init_job, train_job, write_toy_data
from trainables.manifest import Cost, Manifest
from trainables.specs import Spec

GB = 10**9
PARENT = "train-0000000000000000"


def request(spec: Spec, model: str = "base") -> Request:
    return Request(spec, Context("encoder", model, None, "", None, None, ""), None, ())


def took(peak: float, whole: float = 80 * GB) -> Manifest:
    cost = Cost(
        started_at=0,
        seconds=1,
        device_seconds=1,
        num_tokens=1,
        num_examples=1,
        peak_memory_bytes=int(peak),
        device="",
        device_memory_bytes=int(whole),
    )
    return Manifest.model_construct(cost=cost)


@pytest.fixture
def training(tmp_path: Path) -> Spec:
    return train_job(write_toy_data(tmp_path), PARENT).spec


def test_the_first_of_its_like_has_a_gpu_for_itself_and_the_others_share_one(training: Spec) -> None:
    shares = GpuShares("auto")
    assert shares.of(request(training)) == 1
    shares.learn(request(training), took(20 * GB))
    assert shares.of(request(training)) == 1 / 3, "three times 20 GB and what a process takes fit into nine tenths of 80"
    other_seed = training.model_copy(update={"seed": 7, "learning_rate": 1e-3})
    assert shares.of(request(other_seed)) == 1 / 3
    for another in (training.model_copy(update={"batch_size": 64}), training.model_copy(update={"max_length": 99})):
        assert shares.of(request(another)) == 1
    assert shares.of(request(training, "large")) == 1


def test_the_largest_of_a_like_decides(training: Spec) -> None:
    shares = GpuShares("auto")
    for peak in (5 * GB, 30 * GB, 4 * GB):
        shares.learn(request(training), took(peak))
    assert shares.of(request(training)) == 1 / 2
    shares.learn(request(training), took(41 * GB))
    assert shares.of(request(training)) == 1


def test_a_tiny_stage_shares_with_so_many(training: Spec) -> None:
    shares = GpuShares("auto")
    shares.learn(request(training), took(0.01 * GB))
    assert shares.of(request(training)) == 1 / MAX_SHARING == Resources(gpus_per_worker="auto").least_gpus


def test_what_ran_on_a_cpu_says_nothing(training: Spec) -> None:
    shares = GpuShares("auto")
    shares.learn(request(training), took(1 * GB, whole=0))
    assert shares.of(request(training)) == 1


@pytest.mark.parametrize("wanted", [0.0, 0.25, 1.0])
def test_a_share_that_the_study_names_is_given(wanted: float, training: Spec) -> None:
    shares = GpuShares(wanted)
    shares.learn(request(training), took(1 * GB))
    assert shares.of(request(training)) == wanted


@pytest.mark.parametrize("wanted", ["auto", 1.0])
def test_what_computes_with_no_model_holds_no_gpu(wanted: float, tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    assert GpuShares(wanted).of(request(init_job(folder).spec)) == 0
    assert GpuShares(wanted).of(request(evaluate_job(folder, PARENT).spec)) == 1
