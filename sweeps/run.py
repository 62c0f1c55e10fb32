"""Runs a study from plan to report, tells MLflow of one again, or writes the report of what there is."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console

from sweeps.brakes import NO_LIMITS, Brakes, Limits
from sweeps.events import StudyFinished
from sweeps.journal import Journal
from sweeps.launch import cluster, run_walk
from sweeps.leases import Leases
from sweeps.notify import EndStatus, Notifier, webhook_url
from sweeps.opened import (
    Opened,
    driving,
    notes_of,
    num_stages,
    orders_of,
    retries_of,
    walk_store,
)
from sweeps.orders import Listener
from sweeps.placement import is_spread
from sweeps.plan import Request
from sweeps.processor import slow_precision
from sweeps.progress import Progress
from sweeps.publications import published_beside
from sweeps.registered_models import register_winners
from sweeps.report.write import Report, write_report
from sweeps.results import StudyResult
from sweeps.study import StudyError
from sweeps.task_facts import record_declared
from sweeps.task_places import naming_places, tasks_of
from sweeps.tracking import Tracker
from sweeps.walk import Walk
from trainables.data import load_examples
from trainables.manifest import Manifest
from trainables.origins import HubError
from trainables.overlap import keep_text_hashes
from trainables.specs import Job
from trainables.store import Store
from trainables.task import TASKS

CHECKPOINT_EVERY_S = 120.0
CLOSE_TRACKER_S = 30.0
"""A sweep waits no longer for MLflow; what is left is spooled for the next run or `polystilts sync`."""


class Ran(NamedTuple):
    """What a run came to."""

    result: StudyResult
    report: Report
    num_trained: int
    """Stages computed by this run."""
    failures: Mapping[str, str]
    """Errors by stage name."""
    paused: str | None
    """Why it ended before its plan did."""
    num_waiting: int
    """Events that MLflow could not be told, and that wait on disk."""
    unregistered: tuple[str, ...]
    """Winners that could not be registered, and why."""


def run_study(opened: Opened, console: Console, limits: Limits = NO_LIMITS, webhook: str | None = None) -> Ran:
    """Runs what the store does not have yet and writes the report; only one process runs a study at a time.

    `webhook` is the URL that is told of failures and of the end, by default that of the environment (`sweeps.notify`).
    """
    paused = None
    url = webhook_url(webhook)
    with driving(opened) as leases, Notifier(opened.study.name, url) as notifier:
        walk, damaged = walk_store(opened, Store.damage)
        tracker = Tracker(opened.home.root, opened.study.name, opened.study.description)
        try:
            with Progress(console, opened.study.name, num_stages(walk)) as progress:
                slow = () if walk.is_finished else slow_precision(opened.study)
                num_told = len(damaged)
                for message in (*damaged, *slow):
                    progress.note(message)
                if not walk.is_finished:  # before the journal, which tells MLflow of the overlaps that are measured on what is read
                    check_data(opened)
                journal = Journal(walk, opened.store, tracker, progress, leases, retries_of(opened), notifier)
                journal.settle()
                if not walk.is_finished:
                    paused = run_rest(opened, walk, journal, leases, limits)
                for message in damaged[num_told:]:
                    progress.note(message)
                journal.close()
            result = study_result(opened, walk, journal.encoders)
            report = write_report(result, opened.store, opened.home.report(opened.study.name))
            # a run that was stopped by its disk has no room for more
            unregistered = _register(result, opened, tracker) if paused is None else ()
            for problem in unregistered:
                console.print(problem, highlight=False, markup=False, soft_wrap=True)
            tracker.log(_study_finished(result, walk, journal, opened))
            notifier.end(*_ending(paused, len(journal.failures), report))
        finally:
            num_waiting = tracker.close(CLOSE_TRACKER_S)
        return Ran(result, report, journal.num_trained, journal.failures, paused, num_waiting, unregistered)


def _ending(paused: str | None, num_failed: int, report: Report) -> tuple[EndStatus, str]:
    """How a run ended, and what is said of it."""
    failed = f"; {num_failed} stages failed" if num_failed else ""
    if paused is not None:
        return "paused", f"paused: {paused}{failed}"
    return ("failed" if num_failed else "finished"), f"finished{failed}. {report.answer.paragraph}"


def _register(result: StudyResult, opened: Opened, tracker: Tracker) -> tuple[str, ...]:
    """Has the winner of each target registered; returns which could not be, and why."""
    registration = register_winners(result, opened.store)
    for event in registration.events:
        tracker.log(event)
    return registration.problems


def study_result(opened: Opened, walk: Walk, encoders: Mapping[str, Manifest]) -> StudyResult:
    """What is known of every pair now."""
    study = opened.study
    return StudyResult(
        study=study.name,
        description=study.description,
        source_language=study.source_language,
        pairs=tuple(program.result() for program in walk.programs),
        encoders=dict(sorted(encoders.items())),  # they came in the order in which they ended
        analysis=study.analysis,
        notes=notes_of(opened),
        benchmarks=tuple(program.result() for program in walk.benchmarks),
        published=published_beside(
            study.published, [program.pair for program in walk.programs], [model.hub for model in study.models.values() if model.hub]
        ),
    )


def report_study(opened: Opened) -> tuple[StudyResult, Report]:
    """The report of what the store has, whether or not the study is finished."""
    walk, _ = walk_store(opened)
    encoders = {
        outcome.request.context.name: outcome.manifest
        for outcome in walk.drain()
        if outcome.manifest is not None and outcome.request.context.role == "encoder"
    }
    result = study_result(opened, walk, encoders)
    return result, write_report(result, opened.store, opened.home.report(opened.study.name))


class Synced(NamedTuple):
    """What MLflow was told of a study."""

    uri: str
    num_stages: int
    """Found in the store."""
    num_waiting: int
    """Events that could not be written, and wait on disk."""
    unregistered: tuple[str, ...]
    """As of a run."""


def sync_study(opened: Opened) -> Synced:
    """Tells MLflow all that the store has of a study, however long it takes; what MLflow has already stays as it is."""
    name = opened.study.name
    with driving(opened) as leases:
        walk, _ = walk_store(opened)
        tracker = Tracker(opened.home.root, name, opened.study.description)
        try:
            progress = Progress(Console(quiet=True), name, num_stages(walk))
            journal = Journal(walk, opened.store, tracker, progress, leases, retries_of(opened))
            journal.settle()
            journal.close()
            result = study_result(opened, walk, journal.encoders)
            unregistered = _register(result, opened, tracker)
            tracker.log(_study_finished(result, walk, journal, opened))
        finally:
            num_waiting = tracker.close(None)
        return Synced(tracker.uri, journal.num_cached, num_waiting, unregistered)


def check_data(opened: Opened) -> None:
    """Reads everything that a study can touch, so that bad files end it before the first training; keeps the hashes of its texts.

    A StudyError has a line for each set of examples that is wrong, and one for each task whose own code is.
    """
    problems: dict[str, str] = {}
    for spec in opened.builder.all_data():
        try:
            with naming_places(opened.study):
                examples = load_examples(spec, opened.data, labelled=TASKS.load(spec.task).kind != "mlm").examples
        except ValueError as error:
            problems.setdefault(spec.task if isinstance(error, StudyError) else str(error), str(error))
            if isinstance(error, HubError):
                break
            continue
        if spec.source != "generated":
            keep_text_hashes(spec, examples, opened.home.cache)
    if problems:
        raise StudyError("\n".join(problems.values()))


def run_rest(opened: Opened, walk: Walk, journal: Journal, leases: Leases, limits: Limits = NO_LIMITS) -> str | None:
    """Runs what the walk has left; returns why it ended early, if it did."""
    record_declared(opened.store.files, tasks_of(opened.study))
    opened.home.cache.mkdir(parents=True, exist_ok=True)
    written = [opened.home.cache, *([opened.store.files.local("")] if opened.store.files.is_local else [])]
    with Listener(orders_of(opened)) as listener, cluster(opened.study.resources) as num_at_once:
        brakes = Brakes(written, limits, heard=listener.heard)
        paused = run_walk(walk, opened.study.resources, num_at_once, opened.store, functools.partial(_job, opened), journal, leases, brakes)
    journal.settle()
    return paused


def _job(opened: Opened, request: Request, gpus: float) -> Job:
    """`gpus` is what each of its workers holds."""
    resources = opened.study.resources
    return Job(
        spec=request.spec,
        store=opened.store.uri,
        cache=str(opened.home.cache.absolute()),
        data=None if opened.data is None else str(opened.data.absolute()),
        encoder_folder=request.folder,
        num_threads=resources.cpus_per_worker,
        places=tuple(opened.builder.synthetic.places.items()),
        num_workers=resources.workers if is_spread(request.spec) else 1,
        fewest_workers=resources.fewest_workers if is_spread(request.spec) else 1,
        is_sharded=opened.study.models[request.context.model].weights == "sharded",
        use_gpu=gpus > 0,
        gpu_share=gpus or 1.0,
        stop_below=request.floors,
        checkpoint_every_s=CHECKPOINT_EVERY_S,
    )


def _study_finished(result: StudyResult, walk: Walk, journal: Journal, opened: Opened) -> StudyFinished:
    manifests = [evaluation.manifest for pair in result.pairs for evaluation in pair.evaluations]
    manifests += [trial.manifest for pair in result.pairs for trial in pair.trials]
    manifests += [found for timed in result.benchmarks for found in (timed.manifest, timed.architecture) if found is not None]
    folder = opened.home.report(opened.study.name)
    return StudyFinished(
        status="FAILED" if journal.failures else "FINISHED" if walk.is_finished else "KILLED",
        metrics={"stages": float(len({manifest.key for manifest in manifests}) + len(result.encoders))},
        report=str(folder) if folder.exists() else None,
        at_s=max((manifest.cost.started_at + manifest.cost.seconds for manifest in manifests), default=0.0),
    )
