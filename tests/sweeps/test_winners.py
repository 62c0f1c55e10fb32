"""Which training wins a target, and where its folder lies, on results made by hand."""

import urllib.parse
from pathlib import Path

import mlflow
import pytest
import transformers
from transformers import AutoTokenizer

from sweeps.registered_models import register_winners, winners
from sweeps.results import ORACLE, Evaluation, PairId, PairResult, StudyResult, Trial
from tests.trainables.toy_training import save_toy_encoder, toy_data, toy_spec
from trainables.head_files import HeadShape
from trainables.manifest import Cost, Manifest, Measurement
from trainables.model import load_encoder, save_model, with_fresh_heads
from trainables.specs import EvaluateSpec, MixtureTask, StageEncoder, TrainSpec
from trainables.store import Store

EVALUATION = EvaluateSpec(
    code_version=1, versions=(), kind="evaluate", family="bert", encoder=StageEncoder(stage="train-1"), task="pawsx", head="pawsx",
    data=(toy_data("pawsx"),), threshold_data=(), max_length=40, precision="float32", retrieval=None,
)  # fmt: skip
COST = Cost(started_at=1.0, seconds=1, device_seconds=1, num_tokens=1, num_examples=1, peak_memory_bytes=1, device="")


def record(spec: TrainSpec | EvaluateSpec, score: float | None) -> Manifest:
    scored = Measurement(task="pawsx", language="de", split="test", metric="accuracy", value=0.5, n=4)
    return Manifest(
        key=spec.key, status="done", spec=spec.model_dump(mode="json"), parents=(), attempt="", files=(), files_dropped=False,
        measurements=(scored,), curve=(), score=score, cost=COST,
    )  # fmt: skip


def pair(
    intermediate: str, scores: tuple[float, ...], variant: str = "base", *, ended: bool = True, problem: str | None = None
) -> PairResult:
    """Replicates of one point with these dev scores."""
    mixture = (MixtureTask(train=toy_data("pawsx"), dev=(), weight=1.0, share=None),)
    rate = 1e-4 * (1 + sum(map(ord, intermediate + variant)) / 1000)
    trainings = [record(toy_spec(seed=seed, learning_rate=rate, mixture=mixture), score) for seed, score in enumerate(scores)]
    scored = record(EVALUATION, None)
    point = {"learning_rate": rate}
    return PairResult(
        pair=PairId("toy", intermediate, variant, "pawsx"),
        trials=tuple(Trial(point, seed, manifest, False) for seed, manifest in enumerate(trainings)),
        selected=point,
        evaluations=tuple(Evaluation(seed, scored, None) for seed in range(len(scores))) if ended and problem is None else (),
        problem=problem,
        baseline=PairId("toy", "none", "base", "pawsx"),
        leaks=("it has seen the test set",) if intermediate == "leaking" else (),
    )


def study(*pairs: PairResult) -> StudyResult:
    return StudyResult("hand", "", "en", pairs, {}, None, ())


def winner(*pairs: PairResult) -> tuple[str, str, int] | None:
    """Row, variant and seed of the only winner."""
    found = [(each.pair.pair.intermediate, each.pair.pair.variant, each.trial.seed) for each in winners(study(*pairs))]
    assert len(found) < 2
    return found[0] if found else None


def test_the_best_mean_wins_not_the_best_seed_and_its_first_seed_stands_for_it() -> None:
    assert winner(pair("none", (0.5, 0.9)), pair("mnli", (0.7, 0.8))) == ("mnli", "base", 0)


def test_of_equals_the_first_row_wins_which_is_the_baseline() -> None:
    assert winner(pair("none", (0.5,)), pair("mnli", (0.5,))) == ("none", "base", 0)


def test_variants_take_part_but_an_oracle_does_not() -> None:
    assert winner(pair("none", (0.5,)), pair("none", (0.6,), "top"), pair("none", (0.9,), f"top, {ORACLE}")) == ("none", "top", 0)


def test_nobody_wins_before_all_have_ended_and_what_failed_has() -> None:
    assert winner(pair("none", (0.5,)), pair("mnli", (0.9,), ended=False)) is None
    assert winner(pair("none", (0.5,)), pair("mnli", (0.9,), problem="it failed")) == ("none", "base", 0)
    assert winner(pair("mnli", (0.9,), problem="it failed")) is None


def test_a_point_that_was_asked_for_twice_wins_once() -> None:
    once = pair("none", (0.5, 0.6))
    assert winner(once._replace(trials=(*once.trials, *once.trials))) == ("none", "base", 0)


def published(store: Store, folder: Path, result: PairResult) -> None:
    """The files of a pair's first training."""
    save_toy_encoder("bert", folder / "random")
    shape = HeadShape("pawsx", "classification", ("0", "1"))
    (folder / "trained").mkdir()
    model = with_fresh_heads("bert", load_encoder(folder / "random"), [shape], 5, "float32")
    save_model(model, AutoTokenizer.from_pretrained(folder / "random"), folder / "trained")
    store.publish(result.trials[0].manifest, folder / "trained")


def test_the_folder_of_an_object_store_is_downloaded_by_mlflow(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, best = Store(bucket, tmp_path / "cache"), pair("leaking", (0.5,))
    published(store, tmp_path, best)
    ((event,), problems) = register_winners(study(best), store)
    assert problems == ()
    assert event.tags["leak"] == "it has seen the test set"
    assert "leak: it has seen the test set" in event.facts
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint(bucket))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    loaded = getattr(transformers, event.auto_class).from_pretrained(mlflow.artifacts.download_artifacts(event.source))
    assert loaded.config.id2label == {0: "0", 1: "1"}
    sizes = store.files.sizes("models")
    assert register_winners(study(best), store).events == (event,)
    assert store.files.sizes("models") == sizes


def endpoint(bucket: str) -> str:
    return "http://" + urllib.parse.parse_qs(bucket.partition("?")[2])["endpoint_override"][0].removeprefix("http://")


def test_a_winner_without_files_is_named_and_stops_nothing(tmp_path: Path) -> None:
    store, best = Store(str(tmp_path / "store"), tmp_path / "cache"), pair("none", (0.5,))
    store.publish(best.trials[0].manifest, tmp_path / "nothing")
    store.drop_files(best.trials[0].manifest.key)
    assert register_winners(study(best), store) == (
        (),
        (f"hand.toy.pawsx is not registered: {best.trials[0].manifest.key} has no files in {store.uri}",),
    )


def test_a_folder_that_was_left_half_made_is_made_again(tmp_path: Path) -> None:
    store, best = Store(str(tmp_path / "store"), tmp_path / "cache"), pair("none", (0.5,))
    published(store, tmp_path, best)
    key = best.trials[0].manifest.key
    store.files.write(f"models/{key}/model.safetensors", b"half")
    store.files.write(f"models/{key}/polystilts.json", b'{"cut sho')
    ((event,), _) = register_winners(study(best), store)
    assert event.auto_class == "AutoModelForSequenceClassification"
    assert transformers.AutoModelForSequenceClassification.from_pretrained(store.files.local(f"models/{key}")).config.num_labels == 2
