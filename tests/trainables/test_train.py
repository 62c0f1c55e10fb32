"""The training loop: what may not change a digit does not, and what stops a training does."""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.trainables.toy_training import SHAPES, save_toy_encoder, toy_features, toy_model, toy_spec
from trainables.checkpoint import load_progress, save_progress
from trainables.family import FAMILIES
from trainables.features import IGNORED, Features
from trainables.inference import predict
from trainables.interruption import InterruptedStageError
from trainables.layers import Rule, depth_of, thawed
from trainables.manifest import Measurement
from trainables.masking import Vocabulary, mask_tokens, read_vocabulary
from trainables.model import Model
from trainables.progress import DevScore, Point
from trainables.seeds import generator
from trainables.train import TaskData, Trained, train

DEV = (Measurement(task="pawsx", language="en", split="dev", metric="accuracy", value=0.5, n=10),)
VOCABULARY = Vocabulary(4, np.arange(5, dtype=np.int32), np.arange(5, 30, dtype=np.int32))


def no_score(_model: Model) -> DevScore:
    return None, ()


def ignore(_point: Point) -> None:
    pass


def run(model: Model, *kinds: str, options: dict[str, Any] | None = None, **changes: Any) -> Trained:
    mixture = [TaskData(SHAPES[kind].task, toy_features(kind)) for kind in kinds]
    given = {"evaluate_dev": no_score, "report": ignore} | (options or {})
    return train(model, toy_spec(*kinds, **changes), mixture, VOCABULARY, **given)


@pytest.mark.parametrize("family", ["bert", "xlm_roberta"])
@pytest.mark.parametrize("kind", list(SHAPES))
def test_training_lowers_the_loss(kind: str, family: str, tmp_path: Path) -> None:
    losses = run(toy_model(family, tmp_path, kind), kind, steps=60, learning_rate=3e-3).losses_K
    assert len(losses) == 60
    assert losses[-10:].mean() < 0.98 * losses[:10].mean()


def test_accuracy_is_learnt(tmp_path: Path) -> None:
    model, features = toy_model("bert", tmp_path, "classification"), toy_features("classification")
    run(model, "classification", steps=120, learning_rate=3e-3)
    assert (predict(model, features, "classify").argmax(1) == features.targets).mean() > 0.9


@pytest.mark.parametrize("kinds", [[kind] for kind in SHAPES] + [list(SHAPES)])
def test_micro_batches_change_nothing(kinds: list[str], tmp_path: Path) -> None:
    whole = run(toy_model("bert", tmp_path / "a", *kinds), *kinds, steps=20)
    parts = run(toy_model("bert", tmp_path / "b", *kinds), *kinds, steps=20, options={"max_tokens": 40})
    np.testing.assert_allclose(parts.losses_K, whole.losses_K, rtol=2e-5)
    assert parts.num_tokens == whole.num_tokens


def test_the_same_spec_gives_the_same_digits(tmp_path: Path) -> None:
    one, two, other = (run(toy_model("bert", tmp_path, "tagging", dropout=0.1), "tagging", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.losses_K, two.losses_K)
    assert (one.losses_K != other.losses_K).all()


def test_bfloat16_stays_near(tmp_path: Path) -> None:
    full, half = (
        run(toy_model("bert", tmp_path, "classification", precision=precision), "classification", precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert (full.losses_K != half.losses_K).any()
    np.testing.assert_allclose(half.losses_K, full.losses_K, atol=0.05)


class KilledError(Exception):
    pass


def die_at(step: int, points: list[Point]) -> dict[str, Any]:
    def report(point: Point) -> None:
        points.append(point)
        if point.step == step:
            raise KilledError

    return {"report": report}


@pytest.mark.parametrize(("kinds", "unfreezing"), [(["classification"], "at_once"), (["tagging", "mlm"], "gradual")])
def test_a_resumed_training_is_the_uninterrupted_one(kinds: list[str], unfreezing: str, tmp_path: Path) -> None:
    scores = iter([0.5, 0.9, 0.3, 0.4])
    settings = {"steps": 60, "num_evals": 4, "unfreezing": unfreezing}
    often = {"checkpoints": tmp_path / "progress", "checkpoint_every_s": 0.0}
    straight_model = toy_model("bert", tmp_path / "a", *kinds, dropout=0.1)
    straight = run(straight_model, *kinds, options={"evaluate_dev": lambda _: (next(scores), DEV)}, **settings)

    scores = iter([0.5, 0.9, 0.3, 0.3, 0.4])  # the third evaluation comes twice: the training dies in its report
    points: list[Point] = []
    options = {"evaluate_dev": lambda _: (next(scores), DEV)} | often
    with pytest.raises(KilledError):
        run(toy_model("bert", tmp_path / "b", *kinds, dropout=0.1), *kinds, options=options | die_at(45, points), **settings)
    resumed_model = toy_model("bert", tmp_path / "b", *kinds, dropout=0.1)
    resumed = run(resumed_model, *kinds, options=options, **settings)

    np.testing.assert_array_equal(resumed.losses_K, straight.losses_K)
    assert resumed.seconds_before > 0
    effort = straight.effort._replace(seconds=resumed.effort.seconds)
    assert resumed == straight._replace(losses_K=resumed.losses_K, seconds_before=resumed.seconds_before, effort=effort)
    assert resumed.kept is not None
    assert resumed.kept.step == 30
    for name, weight in straight_model.state_dict().items():
        assert torch.equal(weight, resumed_model.state_dict()[name]), name


@pytest.mark.parametrize("step", [33, 40])
def test_an_interrupted_training_goes_on_at_its_next_step(step: int, tmp_path: Path) -> None:
    """Between two looks at the losses, and at one; by itself it would write no checkpoint."""
    straight = run(toy_model("bert", tmp_path / "a", "tagging", dropout=0.1), "tagging", steps=60)
    steps = itertools.count(1)  # it is asked after each step
    interrupt: dict[str, Any] = {"is_interrupted": lambda: "node reclaimed" if next(steps) >= step else None}
    options: dict[str, Any] = {"checkpoints": tmp_path / "progress", "checkpoint_every_s": 1e6}
    with pytest.raises(InterruptedStageError, match="node reclaimed"):
        run(toy_model("bert", tmp_path / "b", "tagging", dropout=0.1), "tagging", steps=60, options=options | interrupt)
    saved: Any = load_progress(tmp_path / "progress")
    assert saved["progress"]["step"] == step
    resumed = run(toy_model("bert", tmp_path / "b", "tagging", dropout=0.1), "tagging", steps=60, options=options)
    np.testing.assert_array_equal(resumed.losses_K, straight.losses_K)


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "progress"
    options = {"checkpoints": folder, "checkpoint_every_s": 0.0}
    straight = run(toy_model("bert", tmp_path / "a", "tagging"), "tagging", steps=60)
    with pytest.raises(KilledError):
        run(toy_model("bert", tmp_path / "a", "tagging"), "tagging", steps=60, num_evals=6, options=options | die_at(50, []))
    older, newest = sorted(folder.glob("step-*.pt"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    resumed = run(toy_model("bert", tmp_path / "a", "tagging"), "tagging", steps=60, num_evals=6, options={"checkpoints": folder})
    assert newest.name in caplog.text
    assert older.name not in caplog.text
    np.testing.assert_array_equal(resumed.losses_K, straight.losses_K)


class Hostile:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self._command,)


def test_a_checkpoint_that_would_run_code_is_refused_by_name(tmp_path: Path) -> None:
    folder, trace = tmp_path / "progress", tmp_path / "trace"
    save_progress(folder, 10, {"model": Hostile(f"touch {trace}")})
    with pytest.raises(ValueError, match=r"step-000000010-.* is no progress checkpoint of a training .*; delete it"):
        run(toy_model("bert", tmp_path / "a", "tagging"), "tagging", steps=20, options={"checkpoints": folder})
    assert not trace.exists()


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    scores, weights = iter([0.1, 0.8, 0.8]), []

    def evaluate(model: Model) -> DevScore:
        weights.append(model.encoder.embeddings.position_embeddings.weight.detach().clone())
        return next(scores), ()

    model = toy_model("bert", tmp_path, "classification")
    trained = run(model, "classification", options={"evaluate_dev": evaluate})
    assert [point.step for point in trained.curve] == [10, 20, 30]
    assert trained.kept == trained.curve[1]
    assert torch.equal(model.encoder.embeddings.position_embeddings.weight, weights[1])

    scores = iter([0.1, 0.8, 0.2])
    assert run(model, "classification", keep="last", options={"evaluate_dev": evaluate}).kept.step == 30


def test_patience_runs_out(tmp_path: Path) -> None:
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.6])
    options = {"evaluate_dev": lambda _: (next(scores), ())}
    trained = run(toy_model("bert", tmp_path, "classification"), "classification", num_evals=5, patience=2, options=options)
    assert (trained.status, trained.kept.step, len(trained.curve)) == ("done", 12, 4)


def test_a_trial_below_its_threshold_is_pruned(tmp_path: Path) -> None:
    scores, points = iter([0.1, 0.5, 0.4]), []
    options = {"evaluate_dev": lambda _: (next(scores), ()), "stop_below": (None, 0.51), "report": points.append}
    trained = run(toy_model("bert", tmp_path, "classification"), "classification", options=options)
    assert trained.status == "pruned"
    assert [point.step for point in points] == [10, 20]
    assert len(trained.losses_K) == 20


def test_a_loss_that_is_not_finite_says_where(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) at step \d+ of 30, where the learning rate is \d"):
        run(toy_model("bert", tmp_path, "classification"), "classification", learning_rate=1e30, warmup_fraction=0.0, max_grad_norm=1e30)


@pytest.mark.parametrize(
    ("layers_trained", "moving"),
    [("all", {0, 1, 2, 3}), ("no_embeddings", {1, 2, 3}), ("head", {3}), ("top_1", {2, 3}), ("top_2", {1, 2, 3}), ("frozen_1", {2, 3})],
)
@pytest.mark.parametrize("family", ["xlm_roberta", "xlm_roberta_xl", "mt5"])
def test_only_the_named_layers_are_trained(family: str, layers_trained: str, moving: set[int], tmp_path: Path) -> None:
    """Of XLM-R XL and mT5, the norm after the last layer moves with that layer."""
    model = toy_model(family, tmp_path, "classification")
    changed = changed_by(model, "classification", layers_trained=layers_trained)
    assert {depth_of(name, num_layers=2) for name in changed} == moving


@pytest.mark.parametrize("family", FAMILIES.names)
def test_biases_and_layer_norms_can_be_trained_alone(family: str, tmp_path: Path) -> None:
    model = toy_model(family, tmp_path, "classification")
    norms = {f"{name}.weight" for name, part in model.named_modules() if type(part).__name__.endswith("LayerNorm")}
    changed = changed_by(model, "classification", layers_trained="bias_norm")
    in_encoder = {name for name in changed if name.startswith("encoder.")}
    assert {depth_of(name, num_layers=2) for name in in_encoder} == {depth_of(name, num_layers=2) for name in norms}
    assert {name for name in in_encoder if not name.endswith(".bias")} == norms


@pytest.mark.parametrize(
    ("family", "attention", "names"),
    [("bert", "layer.{}.attention.self", ("query", "value")), ("mt5", "block.{}.layer.0.SelfAttention", ("q", "v"))],
)
def test_adapters_train_alone_and_end_up_in_the_weights(family: str, attention: str, names: tuple[str, str], tmp_path: Path) -> None:
    model = toy_model(family, tmp_path, "classification")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    trained = run(model, "classification", layers_trained="lora_2")
    after = model.state_dict()
    assert after.keys() == before.keys(), "a plain encoder again"
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name]) and name.startswith("encoder.")}
    assert changed == {f"encoder.encoder.{attention.format(layer)}.{name}.weight" for layer in (0, 1) for name in names}
    for name in changed:
        assert torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-4) == 2
    head = sum(weight.numel() for name, weight in after.items() if name.startswith("heads."))
    assert trained.effort.num_trained == head + 2 * 2 * 2 * (32 + 32), "layers x projections x rank x (in + out)"


class SmallMemory:
    """Fails as a GPU does when more than so many tokens are asked for at once, or where activations are kept."""

    def __init__(self, model: Model, num_tokens: int, *, must_recompute: bool = False) -> None:
        self.sizes: list[int] = []
        self._num_tokens, self._must_recompute = num_tokens, must_recompute
        model.encoder.register_forward_pre_hook(self._check, with_kwargs=True)

    def _check(self, encoder: Any, _args: object, given: dict[str, Any]) -> None:
        size = given["input_ids"].numel()
        if encoder.training and (size > self._num_tokens or (self._must_recompute and not encoder.is_gradient_checkpointing)):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate too much")
        self.sizes.append(size)


@pytest.mark.parametrize("kind", ["classification", "multiple_choice"])
@pytest.mark.parametrize("must_recompute", [False, True])
def test_a_training_that_runs_out_of_memory_asks_for_less_and_comes_to_the_same(
    kind: str, must_recompute: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    straight = run(toy_model("bert", tmp_path, kind), kind)
    model = toy_model("bert", tmp_path, kind)
    memory = SmallMemory(model, 90, must_recompute=must_recompute)
    small = run(model, kind)
    assert max(memory.sizes) <= 90
    assert "out of memory; going on with at most" in caplog.text
    assert ("at once, recomputed" in caplog.text) == must_recompute
    np.testing.assert_allclose(small.losses_K, straight.losses_K, rtol=2e-5)


def test_a_sequence_that_never_fits_is_named(tmp_path: Path) -> None:
    model = toy_model("bert", tmp_path, "classification")
    SmallMemory(model, 3)
    with pytest.raises(torch.OutOfMemoryError, match=r"\d+ tokens of one sequence or question do not fit.*lower max_length"):
        run(model, "classification")


def test_more_layers_than_there_are_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="layers_trained is 'top_3', but the encoder has 2 layers"):
        run(toy_model("bert", tmp_path, "classification"), "classification", layers_trained="top_3")


def test_each_layer_learns_more_slowly_than_the_one_above(tmp_path: Path) -> None:
    """One step of Adam moves every weight by its learning rate, whatever the gradient."""
    model = toy_model("bert", tmp_path, "classification")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    run(model, "classification", steps=1, layer_decay=0.5, learning_rate=1e-3, warmup_fraction=0.0, weight_decay=0.0, num_evals=0)
    moved: dict[int, float] = {}
    for name, weight in model.state_dict().items():
        depth = depth_of(name, num_layers=2)
        moved[depth] = max(moved.get(depth, 0.0), (weight - before[name]).abs().max().item())
    assert moved == {
        0: pytest.approx(2.5e-4, rel=1e-2),
        1: pytest.approx(5e-4, rel=1e-2),
        2: pytest.approx(1e-3, rel=1e-2),
        3: pytest.approx(1e-3, rel=1e-2),
    }


@given(st.integers(2, 500), st.integers(1, 24), st.data())
def test_gradual_unfreezing_goes_from_the_heads_down_to_the_lowest_layer_in_half_of_the_steps(num_steps, num_layers, data) -> None:
    lowest = data.draw(st.integers(0, num_layers + 1))
    rule = Rule(lowest)
    depths = [thawed(rule, step, num_steps, num_layers).lowest_depth for step in range(num_steps)]
    assert depths[0] == num_layers + 1
    assert depths == sorted(depths, reverse=True)
    assert depths[-(-num_steps // 2) :] == [lowest] * (num_steps // 2)


def test_what_is_frozen_at_first_moves_later(tmp_path: Path) -> None:
    """Of six steps with two layers, the first trains the head, the second and third one layer more each, the others all."""
    moving = []
    for last in (1, 2, 3, 4):
        model = toy_model("bert", tmp_path / str(last), "classification")
        before = {name: weight.clone() for name, weight in model.state_dict().items() if "word_embeddings" not in name}
        with pytest.raises(KilledError):
            run(model, "classification", steps=6, num_evals=6, warmup_fraction=0.0, unfreezing="gradual", options=die_at(last, []))
        after = model.state_dict()  # while it trains, it has fewer rows of embeddings
        changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
        moving.append({depth_of(name, num_layers=2) for name in changed})
    assert moving == [{3}, {2, 3}, {1, 2, 3}, {0, 1, 2, 3}]


def changed_by(model: Model, kind: str, **settings: object) -> set[str]:
    """The names of the weights that a training changes."""
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    run(model, kind, **settings)
    return {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}


def test_masks_hide_ordinary_tokens_alone(tmp_path: Path) -> None:
    vocabulary = read_vocabulary(AutoTokenizer.from_pretrained(save_toy_encoder("bert", tmp_path)))
    ids = generator("ids").integers(0, 30, 100_000).astype(np.int32)
    masked: Features = mask_tokens(toy_features("mlm")._replace(token_ids=ids), vocabulary, generator("mask"))
    predicted = masked.targets != IGNORED
    assert not predicted[np.isin(ids, vocabulary.special_ids)].any()
    assert predicted[ids > 4].mean() == pytest.approx(0.15, abs=0.005)
    np.testing.assert_array_equal(masked.targets[predicted], ids[predicted])
    np.testing.assert_array_equal(masked.token_ids[~predicted], ids[~predicted])
    shown = masked.token_ids[predicted]
    assert (shown == vocabulary.mask_id).mean() == pytest.approx(0.8, abs=0.015)
    assert (shown == ids[predicted]).mean() == pytest.approx(0.1, abs=0.015)
