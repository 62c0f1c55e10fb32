"""A study as runs of MLflow: one for the study, under it its encoders and its pairs, under a pair its trials."""

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, assert_never

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy.exc import SQLAlchemyError

from sweeps.events import Evaluated, Event, Failed, Finished, Registered, Reported, RunContext, Selected, Started, StudyFinished
from sweeps.mlflow_inputs import dataset_inputs
from sweeps.mlflow_values import (
    curve_values,
    fit,
    marked_leaks,
    marks,
    mean_values,
    metric_name,
    parameters,
    score_values,
    stage_values,
    tasks,
    version_text,
)
from sweeps.results import is_oracle
from trainables.keys import content_key
from trainables.manifest import CurvePoint, Manifest

FAILURES = (MlflowException, SQLAlchemyError, OSError)
"""What MLflow raises where its server or its database does not answer or refuses."""

VIEW_VERSION = 3
"""Raised when other numbers are written of a stage, so that running a study again writes them again."""
MAX_METRICS = 1000
WINNER = "winner"
_OF_TRAININGS = {"mlflow.experimentKind": "custom_model_development"}
"""Else MLflow's pages take it for one of language models: traces and prompts in the menu, and trials are called evaluations."""
"""Alias of the version that is the best now."""
REFUSED = ErrorCode.Name(INVALID_PARAMETER_VALUE)


@dataclass(kw_only=True)
class _Run:
    """What is known of a run without asking MLflow again."""

    id: str
    start_ms: int
    status: str
    has_params: bool
    tags: dict[str, str]
    points: set[CurvePoint] = field(default_factory=set)
    """What this view has written of its curve; after a failure there is a new view, so a point that did not arrive is written again."""


def create_database(path: Path) -> None:
    """Makes MLflow's SQLite database, whole or not at all: one whose making was cut short is of no use to MLflow ever after."""
    if path.exists():
        return
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    MlflowClient(f"sqlite:///{aside}").search_experiments(max_results=1)
    os.replace(aside, path)


class MlflowView:
    """The experiment of one study; the only writer to it.

    A metric's time is its run's start plus its step in milliseconds: known alike to a live report and to a later replay, which
    therefore adds nothing.
    """

    def __init__(self, uri: str, study: str, description: str, artifacts: Path) -> None:
        """Creates or migrates the database at `uri`; `artifacts` is used where no server has a place of its own for them."""
        self._client = MlflowClient(uri)
        self._study, self._description = study, description
        experiment = self._client.get_experiment_by_name(study)
        if experiment is not None:
            self._experiment_id = experiment.experiment_id
        else:
            location = artifacts.resolve().as_uri() if uri.startswith(tuple(DATABASE_ENGINES)) else None
            self._experiment_id = self._client.create_experiment(
                study, location, {**_OF_TRAININGS, "mlflow.note.content": fit(description)}
            )
        self._runs = {run.data.tags["stage_key"]: _known(run) for run in self._all_runs() if "stage_key" in run.data.tags}

    def apply(self, event: Event) -> None:
        """Writes one event; writing it again changes nothing."""
        match event:
            case Started():
                self._started(event)
            case Reported():
                # The run is missing only where someone deleted it; `Finished` brings the whole curve.
                if run := self._runs.get(event.key):
                    self._log(run, metrics=_new_points(run, (event.point,)))
            case Finished():
                self._finished(event)
            case Failed():
                run = self._stage_run(event.key, event.context, event.spec, event.at_s)
                tags = {"polystilts.status": "failed", "polystilts.error": event.error}
                self._log(run, params=_place(event.context) | parameters(event.spec), tags=tags)
                self._end(run, "FAILED", event.at_s)
            case Evaluated():
                self._evaluated(event)
            case Selected():
                self._selected(event)
            case Registered():
                self._registered(event)
            case StudyFinished():
                self._study_finished(event)
            case _:
                assert_never(event)

    def _started(self, event: Started) -> None:
        run = self._stage_run(event.key, event.context, event.spec, event.at_s)
        self._log(run, params=_place(event.context) | parameters(event.spec))
        self._mark(run, event.context)
        parents = [self._study_run(event.at_s)]
        if event.context.target is not None:
            parents.append(self._pair_run(event.context, event.at_s))
        for open_run in (run, *parents):
            if open_run.status != "RUNNING":
                self._client.update_run(open_run.id, status="RUNNING")
                open_run.status = "RUNNING"

    def _finished(self, event: Finished) -> None:
        manifest, shown = event.manifest, _shown(event.manifest)
        run = self._stage_run(manifest.key, event.context, manifest.spec, manifest.cost.started_at)
        self._mark(run, event.context)
        if run.tags.get("polystilts.shown") != shown:
            metrics = _new_points(run, manifest.curve) + _at(run, 0, stage_values(manifest))
            tags = {"polystilts.status": manifest.status, "polystilts.device": manifest.cost.device, "polystilts.shown": shown}
            self._client.log_inputs(run.id, dataset_inputs(manifest))
            self._log(run, params=_place(event.context) | parameters(manifest.spec), metrics=metrics, tags=tags)
        status = "FINISHED" if manifest.status == "done" else "KILLED"
        if run.status != status:
            self._end(run, status, _end_s(manifest))

    def _evaluated(self, event: Evaluated) -> None:
        manifest, shown = event.manifest, _shown(event.manifest)
        run = self._stage_run(event.train_key, event.context, {}, manifest.cost.started_at)
        self._mark(run, event.context)
        if run.tags.get("polystilts.shown_evaluation") != shown:
            tags = {"evaluate_key": manifest.key, "polystilts.shown_evaluation": shown}
            self._client.log_inputs(run.id, dataset_inputs(manifest))
            self._log(run, metrics=_at(run, 0, stage_values(manifest)), tags=tags)

    def _selected(self, event: Selected) -> None:
        assert event.winners or event.evaluations, f"nothing was selected for {_pair_name(event.context)}"
        end_s = max(_end_s(manifest) for manifest in event.winners + event.evaluations)
        run = self._pair_run(event.context, end_s)
        values = mean_values(score_values(manifest) for manifest in event.evaluations)
        if scores := [manifest.score for manifest in event.winners if manifest.score is not None]:
            values["kept_dev_score"] = fmean(scores)
        if event.winners:
            values["learning_rate"] = event.winners[0].spec["learning_rate"]
        values["num_replicates"] = float(len(event.winners) or len(event.evaluations))
        keys = {"winner_keys": event.winners, "evaluate_keys": event.evaluations}
        tags = {name: " ".join(manifest.key for manifest in manifests) for name, manifests in keys.items()}
        self._log(run, params=_place(event.context), metrics=_at(run, event.num_trials, values), tags=tags)
        self._end(run, "FINISHED", end_s)

    def _registered(self, event: Registered) -> None:
        """One version for each training that ever won; the alias is of the one that wins now."""
        name = event.name
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name, {"study": self._study}, fit(self._description))
        versions = {found.tags.get("stage_key"): found for found in self._client.search_model_versions(f"name = '{name}'")}
        version = versions.get(event.stage_key) or self._new_version(event)
        if version is None:
            return
        if not version.description:  # it names its own number, which is not known before
            self._client.update_model_version(name, version.version, fit(version_text(event, version.version)))
        if str(self._client.get_registered_model(name).aliases.get(WINNER)) != str(version.version):
            self._client.set_registered_model_alias(name, WINNER, version.version)

    def _new_version(self, event: Registered) -> ModelVersion | None:
        """None where MLflow takes no folder from where this one lies: a server takes none of another machine's disk."""
        run = self._runs.get(event.stage_key)
        tags = {tag: fit(value) for tag, value in event.tags.items()} | {"stage_key": event.stage_key}
        try:
            return self._client.create_model_version(event.name, event.source, run.id if run else None, tags)
        except MlflowException as error:
            if error.error_code != REFUSED:
                raise
            refused = f"MLflow takes no version from {event.source}, where {event.stage_key} lies: {error.message}"
            self._client.update_registered_model(event.name, fit(f"{self._description}\n\n{refused}".strip()))
            return None

    def _study_finished(self, event: StudyFinished) -> None:
        study_run = self._study_run(event.at_s)
        at_ms = round(event.at_s * 1000)
        self._log(study_run, metrics=[Metric(metric_name(name), value, at_ms, 0) for name, value in event.metrics.items()])
        if event.report is not None:
            self._client.log_artifacts(study_run.id, event.report, "report")
        for run in self._runs.values():
            if run.status == "RUNNING" and run is not study_run:
                self._end(run, "KILLED", event.at_s)
        self._end(study_run, event.status, event.at_s)

    def _study_run(self, start_s: float) -> _Run:
        tags = {"polystilts.role": "study", "mlflow.note.content": self._description}
        return self._find_or_create(content_key("study", self._study), self._study, tags, start_s)

    def _pair_run(self, context: RunContext, start_s: float) -> _Run:
        pair = {"model": context.model, "intermediate": context.intermediate, "variant": context.variant, "target": context.target}
        tags = {"polystilts.role": "pair", "mlflow.parentRunId": self._study_run(start_s).id} | _context_tags(context)
        tags.pop("seed", None)
        run = self._find_or_create(content_key("pair", pair), f"{context.model}: {_pair_name(context)}", tags, start_s)
        self._mark(run, context)
        return run

    def _stage_run(self, key: str, context: RunContext, spec: Mapping[str, Any], start_s: float) -> _Run:
        """The run of a stage, with its parents; the stage's first place in the study is the one that counts."""
        if key in self._runs:
            return self._runs[key]
        if context.target is None:
            role, parent, name = "encoder", self._study_run(start_s), " + ".join(tasks(spec)) or str(spec.get("kind", key))
        else:
            role, parent, name = "trial", self._pair_run(context, start_s), _pair_name(context)
        if spec.get("kind") == "benchmark":
            role, name = "benchmark", f"{name}, benchmark"
        if context.seed is not None:
            name += f", seed {context.seed}"
        if "learning_rate" in spec:
            name += f", lr {spec['learning_rate']:.3g}".replace("e-0", "e-")
        tags = {"polystilts.role": role, "mlflow.parentRunId": parent.id} | _context_tags(context)
        return self._find_or_create(key, name, tags, start_s)

    def _find_or_create(self, key: str, name: str, tags: Mapping[str, str], start_s: float) -> _Run:
        if key not in self._runs:
            tags = {tag: fit(value) for tag, value in tags.items()} | {"stage_key": key}
            start_ms = round(start_s * 1000)
            self._runs[key] = _known(self._client.create_run(self._experiment_id, start_ms, tags, name))
        return self._runs[key]

    def _mark(self, run: _Run, context: RunContext) -> None:
        """Leaks and an oracle, beside those of other pairs that the run's training also serves."""
        by_oracle = is_oracle(context.variant) or "oracle" in run.tags
        new = marks([*marked_leaks(run.tags), *context.leaks], by_oracle)
        if any(run.tags.get(tag) != value for tag, value in new.items()):
            self._log(run, tags=new)

    def _log(
        self,
        run: _Run,
        *,
        params: Mapping[str, str] | None = None,
        metrics: list[Metric] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        # Parameters are written once: MLflow refuses another value, which a newer version of `parameters` may well give.
        new_params = [] if run.has_params else [Param(name, value) for name, value in (params or {}).items()]
        new_tags = [RunTag(name, fit(value)) for name, value in (tags or {}).items()]
        left = metrics or []
        while len(left) > MAX_METRICS:
            self._client.log_batch(run.id, left[:MAX_METRICS])
            left = left[MAX_METRICS:]
        self._client.log_batch(run.id, left, new_params, new_tags)  # tags last: they say that the rest is there
        run.has_params = run.has_params or bool(new_params)
        run.tags.update(tags or {})

    def _end(self, run: _Run, status: str, end_s: float) -> None:
        self._client.set_terminated(run.id, status, round(end_s * 1000))
        run.status = status

    def _all_runs(self) -> Iterable[Run]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment_id], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _known(run: Run) -> _Run:
    info, data = run.info, run.data
    return _Run(id=info.run_id, start_ms=info.start_time, status=info.status, has_params=bool(data.params), tags=dict(data.tags))


def _shown(manifest: Manifest) -> str:
    """What a run is tagged with once it shows this manifest; a study that runs again then costs nothing here."""
    return f"{manifest.key}/{manifest.attempt}, version {VIEW_VERSION}"


def _place(context: RunContext) -> dict[str, str]:
    """Where a run stands in the matrix, as parameters: MLflow's comparison of runs shows no tags."""
    place = {"model": context.model, "intermediate": context.intermediate or "none", "variant": context.variant}
    return place if context.target is None else place | {"target": context.target}


def _context_tags(context: RunContext) -> dict[str, str]:
    return _place(context) | ({} if context.seed is None else {"seed": str(context.seed)})


def _pair_name(context: RunContext) -> str:
    return f"{context.intermediate or 'baseline'} -> {context.target}" + (f", {context.variant}" if context.variant else "")


def _at(run: _Run, step: int, values: Mapping[str, float]) -> list[Metric]:
    return [Metric(name, value, run.start_ms + step, step) for name, value in values.items()]


def _new_points(run: _Run, points: Iterable[CurvePoint]) -> list[Metric]:
    new = [point for point in points if point not in run.points]
    run.points.update(new)
    return [metric for point in new for metric in _at(run, point.step, curve_values(point))]


def _end_s(manifest: Manifest) -> float:
    return manifest.cost.started_at + manifest.cost.seconds
