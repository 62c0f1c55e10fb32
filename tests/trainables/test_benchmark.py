"""Benchmarks: batches of the lengths that were asked for, arms in turn, every time kept.

That a planted slowdown is found is timed, and no test: `benchmarks/planted_slowdown.py`.
"""

import copy
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.trainables.test_stage import run
from tests.trainables.toy_stages import data_spec, init_job, make_job, train_job, write_toy_data
from tests.trainables.toy_training import toy_features
from trainables.benchmark import Repetitions, Setting, Timed, Workload, fixed_batches, pinned_threads, text_batches, time_arms
from trainables.benchmark_names import TIMES_FILE
from trainables.model import load_model
from trainables.specs import Architecture, BenchmarkSpec, Job, StageEncoder
from trainables.store import Store

POCKET = Path(__file__).parents[2] / "trainables/pocket/encoder"
CPU = torch.device("cpu")


def pocket_times(blocks: int, repetitions: int, seed: int = 0) -> list[Timed]:
    """The pocket encoder against itself, a sequence of 16 tokens at a time; fresh copies for each block."""
    batches = fixed_batches(np.arange(5, 1200, dtype=np.int32), ((0,), (2,)), 16, 1, repetitions, [seed])
    workload = Workload(Setting("any", 1, "16", "float32"), batches)
    model = load_model("xlm_roberta", POCKET, "float32").eval()
    loads = [lambda _: copy.deepcopy(model)] * 2
    torch.set_num_threads(1)
    with pinned_threads(1):
        return list(time_arms(loads, None, [workload], Repetitions(blocks, repetitions, 2), CPU, seed))


def test_every_pass_is_kept_and_each_arm_goes_first_equally_often() -> None:
    times = pocket_times(3, 10)
    assert len(times) == 3 * 10 * 2
    first = Counter((timed.block, timed.arm) for timed in times if timed.place == 0)
    assert first == {(block, arm): 5 for block in range(3) for arm in (0, 1)}
    orders = [tuple(timed.arm for timed in times if timed.block == block and timed.place == 0) for block in range(3)]
    assert len(set(orders)) > 1, "the order is drawn anew in each block"
    assert all(timed.seconds > 0 and timed.num_examples == 1 and timed.num_tokens == 16 for timed in times)


def test_batches_have_exactly_the_tokens_that_were_asked_for() -> None:
    stream = np.arange(5, 25, dtype=np.int32)
    batches = fixed_batches(stream, ((0,), (2,)), 40, 3, 2, [1])
    for batch in batches:
        rows = batch.token_ids.reshape(3, 40)
        assert (rows[:, 0] == 0).all()
        assert (rows[:, -1] == 2).all()
        assert set(rows[:, 1:-1].reshape(-1).tolist()) <= set(stream.tolist()), "a text that is too short goes on from its beginning"
    again = fixed_batches(stream, ((0,), (2,)), 40, 3, 2, [1])
    assert all((one.token_ids == other.token_ids).all() for one, other in zip(batches, again, strict=True))


@pytest.mark.parametrize("kind", ["classification", "multiple_choice", "tagging", "span_qa"])
def test_batches_of_texts_are_whole_examples(kind: str) -> None:
    features = toy_features(kind, 10, 0)
    for batch_size in (4, 25):
        (batch,) = text_batches(features, batch_size, 1, [0])
        whole = {features.token_ids[first:end].tobytes() for first, end in zip(features.offsets, features.offsets[1:], strict=False)}
        found = [batch.token_ids[first:end].tobytes() for first, end in zip(batch.offsets, batch.offsets[1:], strict=False)]
        assert set(found) <= whole
        assert batch.num_examples == batch_size


def test_threads_are_pinned_and_let_go() -> None:
    before = os.sched_getaffinity(0)
    with pinned_threads(1) as cores:
        assert os.sched_getaffinity(0) == set(cores)
        assert len(cores) == 1
    assert os.sched_getaffinity(0) == before


def benchmark_job(folder: Path, *arms: object, **changes: object) -> Job:
    fields = {
        "kind": "benchmark",
        "code_version": 1,
        "versions": (),
        "family": "xlm_roberta",
        "arms": arms,
        "task": "pawsx",
        "head": "pawsx",
        "data": tuple(data_spec(folder, "pawsx", "test", language) for language in ("en", "de")),
        "max_length": 40,
        "batch_sizes": (1, 4),
        "lengths": ("text", 16),
        "precisions": ("float32", "bfloat16"),
        "blocks": 6,
        "repetitions": 2,
        "warmup": 1,
        "num_threads": 1,
        "on_gpu": False,
        "seed": 0,
    }
    return make_job(folder, BenchmarkSpec.model_validate(fields | changes))


def test_a_benchmark_stage_from_end_to_end(tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    encoder = run(init_job(folder))
    one, other = (run(train_job(folder, encoder.key, steps=2, num_evals=1, seed=seed)) for seed in (1, 2))
    job = benchmark_job(folder, StageEncoder(stage=one.key), StageEncoder(stage=other.key))
    found = run(job)
    assert found.parents == (one.key, other.key)
    assert found.conditions["attention, float32"].startswith("scaled_dot_product_attention")
    assert found.conditions["threads"] == "1"

    rows = pq.read_table(Store(job.store, Path(job.cache)).fetch(found.key) / TIMES_FILE).to_pylist()
    num_settings = 2 * 2 * 2 * 2
    assert len(rows) == num_settings * 6 * 2 * 2
    by_pass = Counter(
        (row["language"], row["batch_size"], row["length"], row["precision"], row["block"], row["repetition"]) for row in rows
    )
    assert set(by_pass.values()) == {2}, "both arms ran every batch"
    assert {row["num_tokens"] for row in rows if row["length"] == "16"} == {16, 64}
    assert len({row["num_tokens"] for row in rows if row["length"] == "text"}) > 2

    values = {(each.language, each.metric): each.value for each in found.measurements}
    seconds = [row["seconds"] for row in rows if (row["language"], row["batch_size"], row["length"]) == ("de", 4, "16")]
    mine = [
        row["seconds"]
        for row in rows
        if (row["language"], row["batch_size"], row["length"], row["precision"], row["arm"]) == ("de", 4, "16", "float32", "intermediate")
    ]
    assert len(seconds) == 4 * len(mine)
    setting = "batch 4 length 16 float32 intermediate"
    assert values["de", f"latency_p50_ms {setting}"] == pytest.approx(1000 * float(np.median(mine)))
    assert values["de", f"examples_per_s {setting}"] == pytest.approx(4 * 12 / sum(mine))
    assert values["de", f"tokens_per_s {setting}"] == pytest.approx(64 * 12 / sum(mine))
    assert values["de", f"peak_memory_bytes {setting}"] > 1e7
    assert values["any", "num_parameters direct"] == values["any", "num_parameters intermediate"] > 1000
    assert values["any", "checkpoint_bytes direct"] == sum(each.num_bytes for each in one.files if each.path.endswith(".safetensors"))
    assert values["en", "tokens_per_word"] >= 1


def test_an_architecture_is_timed_without_any_weights(tmp_path: Path) -> None:
    shape = Architecture(hidden_size=16, num_layers=2, num_heads=2, intermediate_size=32, max_positions=40, vocabulary_size=100)
    job = benchmark_job(
        write_toy_data(tmp_path), shape, task=None, head=None, data=(), lengths=(16, 40), max_length=40, precisions=("float32",)
    )
    found = run(job)
    assert found.parents == found.data == ()
    rows = pq.read_table(Store(job.store, Path(job.cache)).fetch(found.key) / TIMES_FILE).to_pylist()
    assert {(row["language"], row["arm"]) for row in rows} == {("any", "architecture")}
    assert len(rows) == 2 * 2 * 6 * 2
    assert {each.language for each in found.measurements} == {"any"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_timed_by_its_own_clock(tmp_path: Path) -> None:
    shape = Architecture(hidden_size=64, num_layers=2, num_heads=2, intermediate_size=64, max_positions=40, vocabulary_size=100)
    job = benchmark_job(write_toy_data(tmp_path), shape, task=None, head=None, data=(), lengths=(16,), max_length=16, on_gpu=True)
    found = run(Job.model_validate({**dict(job), "use_gpu": True}))
    assert found.conditions["clock"] == "CUDA events"
    values = {each.metric: each.value for each in found.measurements}
    used, reserved = (values[f"peak_{name}_bytes batch 4 length 16 bfloat16 architecture"] for name in ("memory", "reserved"))
    assert 0 < used <= reserved
