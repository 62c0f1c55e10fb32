"""MLflow as a view: real MLflow on SQLite, replays, restarts, a server that is down."""

import logging
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from sweeps.events import Evaluated, Event, Failed, Finished, Registered, Reported, RunContext, Selected, Started, StudyFinished
from sweeps.mlflow_values import fit, metric_name, parameters
from sweeps.mlflow_view import MlflowView
from sweeps.results import ORACLE_NOTE
from sweeps.tracking import MLFLOW_SETTINGS, Tracker
from trainables.manifest import Cost, CurvePoint, DataUse, Manifest, Measurement
from trainables.specs import DataSpec, EvaluateSpec, HubEncoder, InitSpec, MixtureTask, StageEncoder, TrainSpec

STUDY = "transfer"
VERSIONS = (("torch", "2.13.0"),)
Status = Literal["done", "pruned"]


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database is migrated: 2 s once, instead of in each test."""
    home = tmp_path_factory.mktemp("home")
    MlflowClient(f"sqlite:///{home}/mlflow.db")
    return home


@pytest.fixture
def home(empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, value in MLFLOW_SETTINGS.items():
        monkeypatch.setenv(name, value)
    return Path(shutil.copytree(empty_home, tmp_path / "home"))


@pytest.fixture
def closed_server() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def data(task: str, language: str = "en", split: str = "train") -> DataSpec:
    return DataSpec(task=task, task_version=1, split=split, language=language, num_examples=None, source="generated")


def train_spec(task: str, encoder: HubEncoder | StageEncoder, *, seed: int, learning_rate: float = 2e-5) -> TrainSpec:
    return TrainSpec(
        code_version=1,
        versions=VERSIONS,
        kind="train",
        family="xlm_roberta",
        encoder=encoder,
        mixture=(MixtureTask(train=data(task), dev=(data(task, split="dev[:90%]"),), weight=1.0, share=None),),
        sampler="proportional",
        examples_cap=None,
        temperature=1.0,
        layers_trained="all",
        layer_decay=1.0,
        unfreezing="at_once",
        learning_rate=learning_rate,
        batch_size=32,
        epochs=2.0,
        steps=None,
        warmup_fraction=0.1,
        weight_decay=0.0,
        max_grad_norm=1.0,
        max_length=128,
        precision="float32",
        num_evals=2,
        keep="best",
        patience=None,
        seed=seed,
    )


def evaluate_spec(train_key: str) -> EvaluateSpec:
    return EvaluateSpec(
        code_version=1,
        versions=VERSIONS,
        kind="evaluate",
        family="xlm_roberta",
        encoder=StageEncoder(stage=train_key),
        task="xnli",
        head="mnli",
        data=(data("xnli", "en", "test"), data("xnli", "zh-Hant", "test")),
        max_length=128,
        precision="float32",
        threshold_data=(),
        retrieval=None,
    )


def measured(task: str, language: str, split: str, value: float) -> Measurement:
    return Measurement(task=task, language=language, split=split, metric="accuracy", value=value, n=100)


def train_manifest(spec: TrainSpec, status: Status = "done") -> Manifest:
    task = spec.mixture[0].train.task
    curve = tuple(
        CurvePoint(
            step=step,
            epoch=step / 100,
            train_loss=1 / step,
            learning_rate=1e-5,
            score=score,
            dev=(measured(task, "en", "dev[:90%]", score),),
        )
        for step, score in ((100, 0.8), (200, 0.75))
    )
    return manifest(spec, status, (measured(task, "en", "dev[:90%]", 0.8),), curve, 0.8)


def evaluate_manifest(spec: EvaluateSpec, value: float = 0.6) -> Manifest:
    return manifest(spec, "done", (measured("xnli", "en", "test", 0.7), measured("xnli", "zh-Hant", "test", value)), (), None)


def manifest(
    spec: TrainSpec | EvaluateSpec | InitSpec,
    status: Status,
    measurements: tuple[Measurement, ...],
    curve: tuple[CurvePoint, ...],
    score: float | None,
) -> Manifest:
    cost = Cost(
        started_at=1.7e9, seconds=12.5, device_seconds=12.5, num_tokens=9000, num_examples=300, peak_memory_bytes=10**9, device="one toy"
    )
    return Manifest(
        key=spec.key,
        status=status,
        spec=spec.model_dump(mode="json"),
        parents=(),
        attempt="a1",
        files=(),
        files_dropped=False,
        measurements=measurements,
        curve=curve,
        score=score,
        data=(
            DataUse(
                task="mnli", language="en", split="train", purpose="train", num_examples=9, dropped={"no label": 3}, cut={"word cut": 2}
            ),
        ),
        cost=cost,
    )


def context(target: str | None, seed: int | None) -> RunContext:
    return RunContext(model="xlmr-base", intermediate="mnli", variant="", target=target, seed=seed)


ENCODER = train_spec("mnli", HubEncoder(hub="xlm-roberta-base", revision="abc"), seed=0)
TRIALS = [train_spec("xnli", StageEncoder(stage=ENCODER.key), seed=seed) for seed in (1, 2)]


def whole_study() -> list[Event]:
    """One pair of two replicates, as the driver tells it."""
    events: list[Event] = [
        Started(key=ENCODER.key, context=context(None, 0), spec=ENCODER.model_dump(mode="json"), at_s=1.7e9 - 3),
        Finished(context=context(None, 0), manifest=train_manifest(ENCODER)),
    ]
    for trial in TRIALS:
        here, trained = context("xnli", trial.seed), train_manifest(trial)
        events.append(Started(key=trial.key, context=here, spec=trial.model_dump(mode="json"), at_s=1.7e9 - 3))
        events.extend(Reported(key=trial.key, point=point) for point in trained.curve)
        events.append(Finished(context=here, manifest=trained))
        events.append(
            Evaluated(train_key=trial.key, context=here, manifest=evaluate_manifest(evaluate_spec(trial.key), 0.5 + trial.seed / 10))
        )
    winners, evaluations = tuple(map(train_manifest, TRIALS)), tuple(event.manifest for event in events if isinstance(event, Evaluated))
    events.append(Selected(context=context("xnli", None), winners=winners, evaluations=evaluations, num_trials=2))
    events.append(StudyFinished(status="FINISHED", metrics={"num_stages": 5.0}, report=None, at_s=1.7e9 + 60))
    return events


def track(home: Path, events: list[Event], timeout_s: float = 30) -> int:
    tracker = Tracker(home, STUDY, "does MNLI help XNLI?")
    for event in events:
        tracker.log(event)
    return tracker.close(timeout_s)


def runs_by_name(home: Path) -> dict[str, Run]:
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id]))
    by_name = {run.info.run_name: run for run in runs}
    assert len(by_name) == len(runs), f"a run twice: {sorted(run.info.run_name for run in runs)}"
    return by_name


def snapshot(home: Path) -> dict[str, object]:
    """Everything of every run that a reader of MLflow sees, with the whole history of each metric."""
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    return {
        name: (
            run.info.run_id,
            run.info.status,
            run.info.end_time,
            dict(run.data.params),
            dict(run.data.tags),
            {key: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics},
            inputs(run),
        )
        for name, run in runs_by_name(home).items()
    }


def inputs(run: Run) -> list[tuple[str, str, str, str, str | None]]:
    """The data sets of a run: what for, name, digest, kind of source, and what is known of the examples."""
    found = ((each.tags[0].value, each.dataset) for each in run.inputs.dataset_inputs)
    return sorted((purpose, data.name, data.digest, data.source_type, data.profile) for purpose, data in found)


def test_a_study_is_a_tree_of_runs(home: Path) -> None:
    assert track(home, whole_study()) == 0
    runs = runs_by_name(home)
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    study, pair = runs[STUDY].info.run_id, runs["xlmr-base: mnli -> xnli"].info.run_id
    assert parents == {
        STUDY: None,
        "mnli, seed 0, lr 2e-5": study,
        "xlmr-base: mnli -> xnli": study,
        "mnli -> xnli, seed 1, lr 2e-5": pair,
        "mnli -> xnli, seed 2, lr 2e-5": pair,
    }
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs[STUDY].data.tags["mlflow.note.content"] == "does MNLI help XNLI?"
    trial = runs["mnli -> xnli, seed 2, lr 2e-5"].data
    wanted = {"stage_key": TRIALS[1].key, "model": "xlmr-base", "intermediate": "mnli", "variant": "", "target": "xnli", "seed": "2"}
    assert trial.tags.items() >= (wanted | {"polystilts.role": "trial"}).items()
    assert trial.params.items() >= {"learning_rate": "2e-05", "epochs": "2.0", "tasks": "xnli", "encoder": ENCODER.key}.items()
    scores = {
        "dev_score": 0.75,
        "kept_dev_score": 0.8,
        "xnli/zh-Hant/accuracy": 0.7,
        "dev/xnli/en/accuracy": 0.8,
        "train_cost/seconds": 12.5,
    }
    assert trial.metrics.items() >= scores.items()
    pair_metrics = runs["xlmr-base: mnli -> xnli"].data.metrics
    assert pair_metrics["xnli/zh-Hant/accuracy"] == pytest.approx(0.65)
    assert pair_metrics["learning_rate"] == 2e-5
    assert runs[STUDY].data.metrics == {"num_stages": 5.0}


def test_what_a_stage_read_are_data_sets_of_its_run(home: Path) -> None:
    track(home, whole_study())
    runs = runs_by_name(home)
    (encoder_data,) = inputs(runs["mnli, seed 0, lr 2e-5"])
    purpose, name, digest, source_type, profile = encoder_data
    assert (purpose, name, source_type, profile) == ("train", "mnli/train/en", "generated", '{"num_examples": 9}')
    assert digest.startswith("data-")
    track(home, whole_study())
    assert inputs(runs_by_name(home)["mnli, seed 0, lr 2e-5"]) == [encoder_data]


def test_parameters_and_scores_line_up_from_row_to_row(home: Path) -> None:
    """Which MLflow compares by names alone."""
    track(home, whole_study())
    runs = runs_by_name(home)
    trial, pair = runs["mnli -> xnli, seed 2, lr 2e-5"].data, runs["xlmr-base: mnli -> xnli"].data
    place = {"model": "xlmr-base", "intermediate": "mnli", "variant": "", "target": "xnli"}
    assert pair.params == place
    assert trial.params.items() >= place.items()
    assert trial.metrics["test_score"] == pytest.approx(0.7)
    assert pair.metrics["test_score"] == pytest.approx((0.65 + 0.7) / 2)


def test_leaks_and_an_oracle_are_tags_and_a_note_of_the_runs_of_their_pair(home: Path) -> None:
    leaks = ("xnli/dev chooses what is scored", "mnli is also what xnli trains on")
    events = [marked(event, leaks, "oracle") for event in whole_study()]
    track(home, events)
    runs = runs_by_name(home)
    pair = "mnli -> xnli, oracle"
    in_order = sorted(leaks)
    for name in (f"xlmr-base: {pair}", f"{pair}, seed 1, lr 2e-5", f"{pair}, seed 2, lr 2e-5"):
        tags = runs[name].data.tags
        assert (tags["leak"], tags["oracle"]) == ("\n".join(in_order), "true")
        note = tags["mlflow.note.content"].splitlines()
        assert note == [*(f"- leak: {leak}" for leak in in_order), f"- oracle: {ORACLE_NOTE}"]
    for name in (STUDY, "mnli, seed 0, lr 2e-5"):
        assert not {"leak", "oracle"} & set(runs[name].data.tags)
    once = snapshot(home)
    track(home, events)
    assert snapshot(home) == once


def test_what_is_measured_later_is_added_to_the_tags_and_a_pair_without_marks_has_none(home: Path) -> None:
    track(home, whole_study())
    assert not any({"leak", "oracle"} & set(run.data.tags) for run in runs_by_name(home).values())
    track(home, [marked(event, ("known",), "") for event in whole_study()])
    track(home, [marked(event, ("measured",), "") for event in whole_study()])
    tags = runs_by_name(home)["xlmr-base: mnli -> xnli"].data.tags
    assert (tags["leak"], tags["mlflow.note.content"]) == ("known\nmeasured", "- leak: known\n- leak: measured")


def test_more_leaks_than_mlflow_takes_are_cut_visibly_and_written_once(home: Path) -> None:
    events = [marked(event, tuple(f"leak {number} " + "x" * 300 for number in range(40)), "") for event in whole_study()]
    track(home, events)
    assert "characters, sha256" in runs_by_name(home)["xlmr-base: mnli -> xnli"].data.tags["leak"]
    once = snapshot(home)
    track(home, events)
    assert snapshot(home) == once


def marked(event: Event, leaks: tuple[str, ...], variant: str) -> Event:
    """The event of a pair that leaks, and of that variant; what belongs to no pair is as it was."""
    content = event.model_dump()
    if (content.get("context") or {}).get("target") is not None:
        content["context"] |= {"leaks": leaks, "variant": variant}
    return type(event).model_validate(content)


def test_a_replay_adds_nothing(home: Path) -> None:
    track(home, whole_study())
    once = snapshot(home)
    track(home, whole_study())
    track(home, [event for event in whole_study() if isinstance(event, Finished)])
    assert snapshot(home) == once


def test_the_manifests_alone_give_the_same_numbers(home: Path, tmp_path: Path) -> None:
    rebuilt_home = Path(shutil.copytree(home, tmp_path / "rebuilt"))
    live_view = MlflowView(f"sqlite:///{home}/mlflow.db", STUDY, "does MNLI help XNLI?", home / "mlartifacts")
    for event in whole_study():  # one by one: a tracker would leave out the reports of what is already finished
        live_view.apply(event)
    track(rebuilt_home, [event for event in whole_study() if not isinstance(event, Started | Reported)])
    live, rebuilt = runs_by_name(home), runs_by_name(rebuilt_home)
    assert live.keys() == rebuilt.keys()
    for name, run in live.items():
        assert (run.data.params, run.data.metrics) == (rebuilt[name].data.params, rebuilt[name].data.metrics), name


def test_a_run_left_running_by_a_dead_driver_is_finished_by_the_next(home: Path) -> None:
    events = whole_study()
    last_report = max(index for index, event in enumerate(events) if isinstance(event, Reported))
    track(home, events[: last_report + 1])
    left = runs_by_name(home)
    left_running = {name for name, run in left.items() if run.info.status == "RUNNING"}
    assert left_running == {STUDY, "xlmr-base: mnli -> xnli", "mnli -> xnli, seed 2, lr 2e-5"}
    track(home, [event for event in events if isinstance(event, Finished | Evaluated | Selected | StudyFinished)])
    runs = runs_by_name(home)
    assert {name: run.info.run_id for name, run in runs.items()} == {name: run.info.run_id for name, run in left.items()}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    run_id = runs["mnli -> xnli, seed 2, lr 2e-5"].info.run_id
    history = MlflowClient(f"sqlite:///{home}/mlflow.db").get_metric_history(run_id, "train_loss")
    assert [(point.step, point.value) for point in history] == [(100, 0.01), (200, 0.005)]


def test_runs_that_nobody_finishes_end_with_the_study(home: Path) -> None:
    trial = TRIALS[0]
    started = Started(key=trial.key, context=context("xnli", 1), spec=trial.model_dump(mode="json"), at_s=1.7e9)
    track(home, [started, StudyFinished(status="FAILED", metrics={}, report=None, at_s=1.7e9 + 5)])
    statuses = {name: run.info.status for name, run in runs_by_name(home).items()}
    assert statuses == {STUDY: "FAILED", "xlmr-base: mnli -> xnli": "KILLED", "mnli -> xnli, seed 1, lr 2e-5": "KILLED"}


def test_a_failed_and_a_pruned_trial_show_it_and_a_retry_mends_it(home: Path) -> None:
    first, second = TRIALS
    spec = first.model_dump(mode="json")
    failed = Failed(key=first.key, context=context("xnli", 1), spec=spec, error="loss is NaN at step 7\n" + "x" * 9000, at_s=1.7e9)
    track(home, [failed, Finished(context=context("xnli", 2), manifest=train_manifest(second, "pruned"))])
    runs = runs_by_name(home)
    failed_run, pruned_run = runs["mnli -> xnli, seed 1, lr 2e-5"], runs["mnli -> xnli, seed 2, lr 2e-5"]
    assert (failed_run.info.status, pruned_run.info.status) == ("FAILED", "KILLED")
    assert failed_run.data.tags["polystilts.error"].startswith("loss is NaN at step 7")
    assert "9022 characters" in failed_run.data.tags["polystilts.error"]
    assert pruned_run.data.tags["polystilts.status"] == "pruned"
    track(home, [Finished(context=context("xnli", 1), manifest=train_manifest(first))])
    assert runs_by_name(home)["mnli -> xnli, seed 1, lr 2e-5"].info.status == "FINISHED"


def test_the_report_becomes_artifacts_in_the_home(home: Path, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("the answer")
    track(home, [StudyFinished(status="FINISHED", metrics={}, report=str(tmp_path / "report"), at_s=1.7e9)])
    run_id = runs_by_name(home)[STUDY].info.run_id
    assert (home / "mlartifacts" / STUDY / run_id / "artifacts" / "report" / "report.html").read_text() == "the answer"


def test_while_the_server_is_down_events_wait_on_disk_for_the_next_tracker(
    home: Path, closed_server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    events = whole_study()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", closed_server)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING, "sweeps.tracking"):
        num_waiting = track(home, events)
    assert num_waiting == len([event for event in events if not isinstance(event, Started | Reported)])
    assert time.monotonic() - start < 15, "MLflow's own retries held the tracker back"
    assert [closed_server in record.getMessage() for record in caplog.records] == [True, False], "one warning, and one line at the end"
    spool = home / "spool" / f"{STUDY}.jsonl"
    waiting = [line for line in spool.read_text().splitlines() if line]
    assert track(home, events) == num_waiting, "what waits already is not said twice"
    assert [line for line in spool.read_text().splitlines() if line] == waiting
    with spool.open("ab") as file:
        file.write(b'\n{"kind": "started", "key": "cut sho')
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert track(home, []) == 0
    assert not spool.exists()
    assert "1 events in" in caplog.records[-1].getMessage()
    replayed = snapshot(home)
    track(home, events)
    assert snapshot(home) == replayed


def test_a_server_that_comes_back_gets_everything_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.tracking.RETRY_AFTER_S", 0.0)
    monkeypatch.setattr("sweeps.tracking.GATHER_S", 0.0)
    database = home / "mlflow.db"
    database.rename(home / "away.db")
    database.mkdir()  # SQLite cannot open a folder
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)
    events = whole_study()
    tracker = Tracker(home, STUDY, "does MNLI help XNLI?")
    for event in events[:4]:
        tracker.log(event)
    deadline = time.monotonic() + 60
    while not (home / "spool" / f"{STUDY}.jsonl").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    database.rmdir()
    (home / "away.db").rename(database)
    for event in events[4:]:
        tracker.log(event)
    assert tracker.close(120) == 0
    assert {run.info.status for run in runs_by_name(home).values()} == {"FINISHED"}


def test_what_a_deadline_cuts_off_waits_on_disk(home: Path) -> None:
    events = whole_study()
    num_waiting = track(home, events, timeout_s=0)
    assert num_waiting > 0
    for thread in threading.enumerate():
        if thread.name == "mlflow":
            thread.join(60)  # the cut-off thread may still be writing the event it held
    assert track(home, []) == 0
    assert len(runs_by_name(home)) == 5


def registered(training: TrainSpec) -> Registered:
    return Registered(
        name=f"{STUDY}.xlmr-base.xnli",
        stage_key=training.key,
        source=f"file:///store/models/{training.key}",
        auto_class="AutoModelForSequenceClassification",
        precision="bfloat16",
        facts=("the best of 2 pairs",),
        tags={"intermediate": "mnli"},
    )


def registry(home: Path) -> tuple[dict[str, tuple[str, str]], str]:
    """The versions by their stages, each with its run and its description; and the stage of the one that wins."""
    client, name = MlflowClient(f"sqlite:///{home}/mlflow.db"), f"{STUDY}.xlmr-base.xnli"
    versions = client.search_model_versions(f"name = '{name}'")
    by_stage = {each.tags["stage_key"]: (each.run_id, each.description) for each in versions}
    assert len(by_stage) == len(versions), "a stage has two versions"
    return by_stage, client.get_model_version_by_alias(name, "winner").tags["stage_key"]


def test_each_winner_is_one_version_however_often_it_is_told_and_the_alias_follows(home: Path) -> None:
    first, second = TRIALS
    for _ in range(2):
        track(home, [*whole_study(), registered(first)])
    run_id = runs_by_name(home)["mnli -> xnli, seed 1, lr 2e-5"].info.run_id
    description = (
        f'    folder = mlflow.artifacts.download_artifacts("models:/{STUDY}.xlmr-base.xnli/1")\n'
        '    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype="bfloat16")\n\n'
        "- the best of 2 pairs"
    )
    assert registry(home) == ({first.key: (run_id, description)}, first.key)
    track(home, [registered(second)])
    versions, winner = registry(home)
    assert (set(versions), winner) == ({first.key, second.key}, second.key)
    track(home, [registered(first)])
    assert registry(home) == (versions, first.key), "one that wins again is no new version"


def test_a_version_whose_description_a_sudden_end_left_out_gets_it(home: Path) -> None:
    event = registered(TRIALS[0])
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    client.create_registered_model(event.name)
    client.create_model_version(event.name, event.source, tags={"stage_key": event.stage_key})
    track(home, [event])
    ((_, description),) = registry(home)[0].values()
    assert description.endswith("- the best of 2 pairs")


def test_parameters_line_up_and_long_values_are_cut_visibly() -> None:
    spec = evaluate_spec("train-0").model_dump(mode="json")
    few = parameters(spec)
    assert few["languages"] == "en zh-Hant"
    assert few["version.torch"] == "2.13.0"
    assert parameters(ENCODER.model_dump(mode="json"))["encoder"] == "xlm-roberta-base@abc"
    assert parameters(ENCODER.model_dump(mode="json"))["dev_data"] == "mnli v1 en dev[:90%] all from generated"
    spec["data"] *= 100
    many = parameters(spec)["data"]
    assert len(many) < 6000
    assert "characters, sha256" in many
    spec["data"].reverse()
    assert parameters(spec)["data"] != many
    assert fit("short") == "short"


def test_metric_names_hold_only_what_mlflow_allows() -> None:
    assert metric_name("tatoeba", "zh-Hant", "accuracy@1") == "tatoeba/zh-Hant/accuracy_1"
