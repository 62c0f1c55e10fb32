"""Stages end to end: initialise, train on what was initialised, evaluate what was trained."""

from pathlib import Path

import pytest
from transformers import AutoModel, AutoTokenizer

from tests.trainables.toy_stages import evaluate_job, init_job, train_job, write_toy_data
from trainables.examples import Choice, Line, Passage, Question, Sentence, Text, texts_of
from trainables.manifest import CurvePoint, Manifest
from trainables.specs import Job
from trainables.stage import run_stage
from trainables.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_toy_data(tmp_path)


def run(job: Job, points: list[CurvePoint] | None = None) -> Manifest:
    return run_stage(job, Store(job.store, Path(job.cache)), ([] if points is None else points).append)


def test_from_nothing_to_an_evaluation(folder: Path) -> None:
    points: list[CurvePoint] = []
    encoder = run(init_job(folder))
    trained = run(train_job(folder, encoder.key, steps=60, learning_rate=3e-3), points)
    evaluated = run(evaluate_job(folder, trained.key))

    store = Store(str(folder / "store"), folder / "cache")
    assert [store.manifest(each.key) for each in (encoder, trained, evaluated)] == [encoder, trained, evaluated]
    assert (encoder.parents, trained.parents, evaluated.parents) == ((), (encoder.key,), (trained.key,))
    assert trained.curve == tuple(points)
    assert [point.step for point in points] == [20, 40, 60]
    assert trained.score == max(point.score for point in points if point.score is not None)
    assert [(each.task, each.language, each.n) for each in trained.measurements] == [("pawsx", "en", 50)]
    assert [(each.language, each.n) for each in evaluated.measurements] == [("en", 120), ("de", 120)]
    assert not store.progress_folder(trained.key).exists()
    assert trained.cost.num_examples == 60 * 8
    assert trained.cost.num_tokens > 60 * 8 * 5
    assert 0 < trained.cost.seconds == trained.cost.device_seconds
    assert trained.cost.peak_memory_bytes > 0
    assert trained.effort is not None
    assert trained.effort.num_examples == 240
    assert trained.effort.num_parameters == trained.effort.num_trained > 120 * 32
    assert trained.effort.flops > 6 * (6 * 32 * 32 + 2 * 32 * 48) * trained.cost.num_tokens
    assert 0 < trained.effort.seconds < trained.cost.seconds
    assert encoder.effort is None
    plain = AutoModel.from_pretrained(store.fetch(trained.key), add_pooling_layer=False)
    assert plain.config.vocab_size == len(AutoTokenizer.from_pretrained(store.fetch(trained.key)))


def test_every_set_of_examples_is_recorded_with_what_was_dropped_apart_from_what_was_cut(folder: Path) -> None:
    blank, long = "7{}\t \tone\t0\n", "8{}\t" + "one " * 60 + "\ttwo\t0\n"
    for name, rows in {"en/train": [blank, blank], "en/dev_2k": [blank], "en/test_2k": [long], "de/test_2k": [blank, long, long]}.items():
        path = folder / f"pawsx/x-final/{name}.tsv"
        path.write_text(path.read_text() + "".join(row.format(10 + place) for place, row in enumerate(rows)))
    with (folder / "text/en.txt").open("a") as text:
        text.write("\n\n\n")
    encoder = run(init_job(folder))
    trained = run(train_job(folder, encoder.key, steps=4))
    evaluated = run(evaluate_job(folder, trained.key))

    blanks, cut = "a sentence is blank", "cut to max_length"
    found = [
        [(use.purpose, use.task, use.split, use.language, use.num_examples, use.dropped, use.cut) for use in stage.data]
        for stage in (encoder, trained, evaluated)
    ]
    assert found == [
        [("tokenizer", "text", "train", "en", 120, {"blank line": 3}, {}), ("tokenizer", "pawsx", "train", "en", 120, {blanks: 2}, {})],
        [
            ("train", "pawsx", "train", "en", 120, {blanks: 2}, {}),
            ("train", "text", "train", "en", 120, {"blank line": 3}, {}),
            ("dev", "pawsx", "dev[:50]", "en", 50, {blanks: 1}, {}),
        ],
        [("test", "pawsx", "test", "en", 121, {}, {cut: 1}), ("test", "pawsx", "test", "de", 122, {blanks: 1}, {cut: 2})],
    ]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_retrieval_needs_no_training(folder: Path, precision: str) -> None:
    encoder = run(init_job(folder))
    found = run(evaluate_job(folder, encoder.key, "tatoeba", precision=precision))
    assert [(each.task, each.language, each.value > 0.9) for each in found.measurements] == [("tatoeba", "de", True)]


def test_a_pruned_trial_keeps_its_curve_and_no_files(folder: Path) -> None:
    encoder = run(init_job(folder))
    pruned = run(train_job(folder, encoder.key, {"stop_below": (None, 1.1)}))
    assert (pruned.status, len(pruned.curve), pruned.files) == ("pruned", 2, ())
    assert Store(str(folder / "store"), folder / "cache").manifest(pruned.key) == pruned


def test_the_head_that_is_asked_for_must_be_there(folder: Path) -> None:
    encoder = run(init_job(folder))
    with pytest.raises(ValueError, match="no head for task 'pawsx'; its heads: none"):
        run(evaluate_job(folder, encoder.key))


def test_texts_of_every_kind_of_example() -> None:
    examples = (
        Text("", "a", "b", None),
        Text("", "a", None, None),
        Sentence("", ("a", "b"), None),
        Question("", "a", "b", ()),
        Choice("", "a", ("b", "c"), None),
        Passage("", "a", "query", ()),
        Line("", "a", "b"),
    )
    assert [list(texts_of(each)) for each in examples] == [["a", "b"], ["a"], ["a b"], ["a", "b"], ["a", "b", "c"], ["a"], ["a", "b"]]
