"""Mixtures: how often each task is drawn, how long a mixture trains, and that it resumes exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from sweeps.study_training import Mixture
from tests.trainables.test_train import VOCABULARY, KilledError, die_at, ignore, no_score
from tests.trainables.toy_training import SHAPES, save_toy_encoder, toy_data, toy_features, toy_spec
from trainables.head_files import HeadShape
from trainables.model import Model, load_encoder, with_fresh_heads
from trainables.progress import Point
from trainables.schedule import count_steps, draw_turns, entry_shares
from trainables.specs import MixtureTask, TrainSpec
from trainables.train import TaskData, Trained, train

NINE = ("classification", "classification", "tagging", "tagging", "span_qa", "span_qa", "multiple_choice", "multiple_choice", "mlm")
NUM_EXAMPLES = (400, 40, 200, 30, 120, 25, 80, 20, 60)
CAP = 100
NUM_STEPS = 120


def entry(task: str, language: str = "en", **changes: Any) -> MixtureTask:
    data = toy_data(task).model_dump() | {"language": language}
    return MixtureTask.model_validate({"train": data, "dev": (), "weight": 1.0, "share": None} | changes)


def spec_of(*entries: MixtureTask, **changes: Any) -> TrainSpec:
    return toy_spec(mixture=entries, **changes)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.6, 0.3, 0.1]),
        ({"examples_cap": 200}, [0.4, 0.4, 0.2]),
        ({"temperature": 2.0}, np.sqrt([600, 300, 100]) / np.sqrt([600, 300, 100]).sum()),
        ({"examples_cap": 400, "temperature": 2.0}, np.sqrt([400, 300, 100]) / np.sqrt([400, 300, 100]).sum()),
        ({"sampler": "uniform"}, [1 / 3, 1 / 3, 1 / 3]),
        ({"sampler": "weights"}, [0.5, 0.25, 0.25]),
    ],
)
def test_draws_have_the_frequencies_of_the_sampler(settings: dict[str, Any], expected: Any) -> None:
    spec = spec_of(entry("a", weight=2.0), entry("b"), entry("c"), **settings)
    num_units, num_draws = [600, 300, 100], 20_000
    np.testing.assert_allclose(entry_shares(spec, num_units), expected, rtol=1e-12)
    drawn = np.bincount([turn.entry for turn in draw_turns(spec, num_units, num_draws)], minlength=3) / num_draws
    errors = np.sqrt(np.array(expected) * (1 - np.array(expected)) / num_draws)
    assert (np.abs(drawn - expected) < 4 * errors).all()


@pytest.mark.parametrize("sampler", ["uniform", "weights"])
def test_a_task_in_many_languages_has_the_share_of_one_task(sampler: str) -> None:
    spec = spec_of(entry("text", "de"), entry("text", "sw"), entry("text", "th"), entry("nli"), sampler=sampler)
    np.testing.assert_allclose(entry_shares(spec, [30, 10, 10, 500]), [0.3, 0.1, 0.1, 0.5])


def test_a_fixed_share_is_taken_first() -> None:
    spec = spec_of(entry("text", "de", share=0.2), entry("text", "sw", share=0.2), entry("nli"), entry("qa"), epochs=2.0, steps=None)
    num_units = [100, 300, 90, 30]
    np.testing.assert_allclose(entry_shares(spec, num_units), [0.05, 0.15, 0.6, 0.2])
    assert count_steps(spec, num_units) == 39, "(23 + 8) / 0.8: two epochs of 90 and of 30 in batches of 8, and a fifth of all is text"


def test_a_cap_shortens_a_mixture() -> None:
    spec = spec_of(entry("a"), entry("b"), epochs=1.0, steps=None, examples_cap=80)
    assert count_steps(spec, [400, 40]) == 10 + 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sampler": "uniform", "examples_cap": 5}, "examples_cap is for the proportional sampler, but sampler is 'uniform'"),
        ({"tasks": {"mnli": {"share": 0.5}, "text": {"share": 0.5}}}, "they sum to 1; leave some steps, and a task without a share"),
        ({"tasks": {"mnli": {"share": 0.5}}}, "leave some steps"),
    ],
)
def test_a_mixture_that_cannot_be_drawn_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Mixture.model_validate(fields)


def nine_tasks(folder: Path) -> tuple[Model, list[TaskData]]:
    """A model with nine heads of all kinds, and data of very different sizes."""
    save_toy_encoder("bert", folder, dropout=0.1)
    shapes = [HeadShape(f"task{place}", SHAPES[kind].kind, SHAPES[kind].labels) for place, kind in enumerate(NINE)]
    data = [
        TaskData(shape.task, toy_features(kind, num_examples, seed))
        for seed, (shape, kind, num_examples) in enumerate(zip(shapes, NINE, NUM_EXAMPLES, strict=True))
    ]
    return with_fresh_heads("bert", load_encoder(folder), shapes, 5, "float32"), data


NINE_SPEC = spec_of(*(entry(f"task{place}") for place in range(9)), examples_cap=CAP, steps=NUM_STEPS, num_evals=6)


def train_nine(folder: Path, **options: Any) -> Trained:
    model, data = nine_tasks(folder)
    return train(model, NINE_SPEC, data, VOCABULARY, **{"evaluate_dev": no_score, "report": ignore} | options)


def test_nine_tasks_under_a_cap_resume_exactly(tmp_path: Path) -> None:
    straight = train_nine(tmp_path / "a")
    often: dict[str, Any] = {"checkpoints": tmp_path / "progress", "checkpoint_every_s": 0.0}
    points: list[Point] = []
    with pytest.raises(KilledError):
        train_nine(tmp_path / "b", **often | die_at(100, points))
    resumed = train_nine(tmp_path / "b", **often)
    assert resumed.seconds_before > 0, "it went on from a checkpoint"
    np.testing.assert_array_equal(resumed.losses_K, straight.losses_K)
    assert len(resumed.losses_K[100:]) == 20
    assert {turn.entry for turn in draw_turns(NINE_SPEC, NUM_EXAMPLES, NUM_STEPS)} == set(range(9)), "every task had a turn"
