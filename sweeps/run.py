"""Runs a study from file to report; every verb of the command line that looks at a study comes through here."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from rich.console import Console

from sweeps.brakes import NO_LIMITS, Brakes, Limits
from sweeps.builder import SpecBuilder
from sweeps.cost import CostModel, StudyCost, all_stages, study_cost
from sweeps.data_sample import DataSamples
from sweeps.device_rates import DeviceName, assumed_rate, measured_rate
from sweeps.disk import StudyDisk, study_disk
from sweeps.events import StudyFinished
from sweeps.expectation import learn
from sweeps.home import Home, StudyIsRunningError, study_lock
from sweeps.journal import Journal
from sweeps.launch import cluster, most_at_once, run_walk
from sweeps.leases import Driver, Leases
from sweeps.marks import mark_lines
from sweeps.notify import EndStatus, Notifier, webhook_url
from sweeps.orders import Orders
from sweeps.placement import is_spread
from sweeps.plan import PairProgram, Request, num_architectures, plan_benchmarks, plan_study
from sweeps.processor import slow_precision
from sweeps.progress import Progress
from sweeps.publications import published_beside
from sweeps.registered_models import register_winners
from sweeps.report.write import Report, write_report
from sweeps.results import ORACLE_NOTE, StudyResult, is_oracle
from sweeps.retries import Retries
from sweeps.study import Study, StudyError
from sweeps.study_file import load_study
from sweeps.task_places import naming_places
from sweeps.tracking import Tracker
from sweeps.walk import Lookup, Walk
from trainables.data import check_folder, load_examples
from trainables.manifest import Manifest
from trainables.overlap import TextHashes, keep_text_hashes, load_text_hashes
from trainables.specs import DataSpec, Job, Record, Spec
from trainables.store import Store
from trainables.task import TASKS

CHECKPOINT_EVERY_S = 120.0
CLOSE_TRACKER_S = 30.0
"""A sweep waits no longer for MLflow; what is left is spooled for the next run or `polystilts sync`."""
NUM_MEASURED, NUM_MEASURED_AFAR = 2000, 200
"""Stages in the store that say how fast a device is; fewer of an object store's, each of which takes a request."""


class Opened(NamedTuple):
    """A study that was read and planned."""

    study: Study
    builder: SpecBuilder
    home: Home
    data: Path | None
    store: Store
    base: Path
    """The folder that the study's relative paths start from."""


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


class Status(Record):
    """How far a study is."""

    study: str
    state: Literal["finished", "running", "unfinished"]
    cells: int
    cells_finished: int
    stages: int
    """At most, where a search prunes."""
    cached: int
    unfinished: tuple[str, ...]
    """Cells without a result yet."""


class Counts(Record):
    """What a plan amounts to; where a search prunes, an upper bound."""

    stages: int
    searches: int
    trainings: int
    trainings_without_sharing: int
    cached: int
    to_run: int
    leaks: tuple[str, ...]
    """What trainings are known to have seen of the examples that a pair is scored on, `<pairs>: ...`."""
    oracles: tuple[str, ...]
    """Which pairs an oracle chooses for, `<pairs>: ...`."""
    absent: tuple[str, ...]
    """Examples that a run needs files of, and none were given."""
    notes: tuple[str, ...]
    """Caveats, as the report repeats them."""
    cost: StudyCost | None
    """None where it was not asked for."""
    disk: StudyDisk | None
    """As for `cost`."""


def open_study(path: Path, home: Path, data: Path | None, store_uri: str | None = None, *, needs_files: bool = True) -> Opened:
    """Reads and checks a study; a StudyError names what is wrong with it or with the data it needs. The store is in `home` by default.

    Without `needs_files` the study can be planned, but not run, before the files that the hub lacks are given.
    """
    study = load_study(path)
    try:
        check_folder(data)
    except ValueError as error:
        raise StudyError(str(error)) from None
    where = Home(home, store_uri)
    builder = SpecBuilder(
        study,
        path.resolve().parent,
        data,
        functools.cache(functools.partial(text_hashes, folder=data, cache=where.cache, study=study)),
        needs_files,
    )
    with naming_places(study):
        builder.check()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"--home {home}: {error.strerror}; give a folder that can be written to") from None
    return Opened(study, builder, where, data, open_store_of(where), path.resolve().parent)


def open_store_of(home: Home) -> Store:
    """The store of a home; a StudyError if it cannot be reached."""
    try:
        store = Store(home.store, home.cache)
        store.keys()
    except (OSError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise StudyError(f"--store {home.store}: {said}; give a folder, or a URI such as s3://bucket/prefix, that can be read") from None
    return store


def walk_store(opened: Opened, check: Callable[[Store, Manifest], str | None] | None = None) -> tuple[Walk, Sequence[str]]:
    """The plan walked as far as the store reaches; with `check`, damaged stages are taken out of it and named, those too that the walk
    comes to later."""
    look_up, damaged = open_store(opened, check)
    walk = Walk(plan_study(opened.builder), look_up, plan_benchmarks(opened.builder))
    return walk, damaged


def open_store(opened: Opened, check: Callable[[Store, Manifest], str | None] | None = None) -> tuple[Lookup, list[str]]:
    """What a walk looks stages up with; with `check`, what it finds damaged it takes out of the store and adds to the list."""
    damaged: list[str] = []
    known = opened.store.keys()

    def look_up(key: str) -> Manifest | None:
        manifest = opened.store.manifest(key) if key in known else None
        problem = check(opened.store, manifest) if check is not None and manifest is not None else None
        if check is not None and manifest is None and key in known:
            problem = "its manifest cannot be read"
        if problem is None:
            return manifest
        damaged.append(f"{key}: {problem}; it was set aside and is computed again")
        opened.store.quarantine(key)
        retries_of(opened).add(key, "files damaged")
        return None

    return look_up, damaged


def count(opened: Opened, device: DeviceName | None = None) -> Counts:
    """Stages, searches and trainings of a study, how much of it is in the store, and what it will cost.

    Trainings in the store say how fast a device is, the given one or any; an A100 is assumed where none was given or measured.
    """
    walk = walk_store(opened)[0]
    is_gpu = opened.study.resources.uses_gpus
    known = _some_stages(opened.store)
    rate = measured_rate(known, device, is_gpu) or assumed_rate(device or "a100")
    experience = None if rate.device is None else learn(known, rate.device, opened.store.manifest)
    costs = CostModel(opened.study, opened.base, DataSamples(opened.data, opened.home.cache))
    stages = list(all_stages(walk.programs, walk.benchmarks))
    with naming_places(opened.study):
        cost = study_cost(stages, costs, rate, experience)
        disk = study_disk(stages, costs, most_at_once(opened.study.resources), is_store_here=opened.store.files.is_local)
    return _counts(opened, walk, cost, disk)


def status_study(opened: Opened) -> Status:
    """How far a study is."""
    walk, _ = walk_store(opened)
    counts = _counts(opened, walk, None, None)
    unfinished = tuple(str(program.pair) for program in walk.programs if not program.evaluations)
    return Status(
        study=opened.study.name,
        state="finished" if walk.is_finished else "unfinished" if driver_of(opened) is None else "running",
        cells=len(walk.programs),
        cells_finished=len(walk.programs) - len(unfinished),
        stages=counts.stages,
        cached=counts.cached,
        unfinished=unfinished,
    )


def ready_stages(opened: Opened) -> Iterator[Request]:
    """The stages that a run would start at once, for all that they need is in the store."""
    walk, _ = walk_store(opened)
    while (request := walk.next()) is not None:
        yield request


@contextmanager
def driving(opened: Opened) -> Iterator[Leases]:
    """Held while this process runs a study, in a home and in a store that homes may share; StudyIsRunningError says who else does."""
    name = opened.study.name
    with study_lock(opened.home, name), Leases(opened.store.files, name) as leases:
        holder = leases.take(f"study-{name}")
        if holder is not None:
            raise StudyIsRunningError(f"study {name!r} is being run in {opened.store.uri} by {holder}; wait for it or end it")
        orders_of(opened).withdraw()
        try:
            yield leases
        finally:
            orders_of(opened).withdraw()


def driver_of(opened: Opened) -> Driver | None:
    """Who runs a study now; None if nobody does."""
    return Leases(opened.store.files, opened.study.name).holder(f"study-{opened.study.name}")


def orders_of(opened: Opened) -> Orders:
    """What the driver of a study listens to."""
    return Orders(opened.store.files, opened.study.name)


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
            with Progress(console, opened.study.name, _num_stages(walk)) as progress:
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
        notes=_notes(opened),
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
            progress = Progress(Console(quiet=True), name, _num_stages(walk))
            journal = Journal(walk, opened.store, tracker, progress, leases, retries_of(opened))
            journal.settle()
            journal.close()
            result = study_result(opened, walk, journal.encoders)
            unregistered = _register(result, opened, tracker)
            tracker.log(_study_finished(result, walk, journal, opened))
        finally:
            num_waiting = tracker.close(None)
        return Synced(tracker.uri, journal.num_cached, num_waiting, unregistered)


def text_hashes(spec: DataSpec, folder: Path | None, cache: Path, study: Study) -> TextHashes | None:
    """The hashes of the texts of some examples, to measure what was seen of them; of what is made rather than read there are none."""
    try:
        with naming_places(study):
            return None if spec.source == "generated" or spec.stage is not None else load_text_hashes(spec, folder, cache)
    except ValueError as error:
        raise StudyError(str(error)) from None


def check_data(opened: Opened) -> None:
    """Reads everything that a study can touch, so that a bad file ends it before the first training; keeps the hashes of its texts."""
    for spec in opened.builder.all_data():
        try:
            with naming_places(opened.study):
                examples = load_examples(spec, opened.data, labelled=TASKS.load(spec.task).kind != "mlm").examples
        except ValueError as error:
            raise StudyError(str(error)) from None
        if spec.source != "generated":
            keep_text_hashes(spec, examples, opened.home.cache)


def retries_of(opened: Opened) -> Retries:
    """What was computed again of a study."""
    return Retries(opened.home.retries(opened.study.name))


def _some_stages(store: Store) -> Sequence[Manifest]:
    """At most so many, for there may be tens of thousands; any, for their keys are hashes."""
    keys = sorted(store.keys(), key=lambda key: key.partition("-")[2])
    found = (store.manifest(key) for key in keys[: NUM_MEASURED if store.files.is_local else NUM_MEASURED_AFAR])
    return [manifest for manifest in found if manifest is not None]


def _counts(opened: Opened, walk: Walk, cost: StudyCost | None, disk: StudyDisk | None) -> Counts:
    programs = walk.programs
    shared = _shared_stages(programs)
    num_shared_trainings = sum(spec.kind == "train" for spec in shared.values())
    without_sharing = sum(sum(spec.kind == "train" for spec in program.shared_stages()) for program in programs)
    target_trainings = sum(program.num_trainings() for program in programs)
    stages = _num_stages(walk)
    cached = sum(outcome.was_cached for outcome in walk.drain())
    return Counts(
        stages=stages,
        searches=sum(program.num_trainings() > 0 for program in programs),
        trainings=num_shared_trainings + target_trainings,
        trainings_without_sharing=without_sharing + target_trainings,
        cached=cached,
        to_run=0 if walk.is_finished else stages - cached,
        leaks=mark_lines({program.pair: program.leaks() for program in programs}),
        oracles=mark_lines({program.pair: (ORACLE_NOTE,) if is_oracle(program.pair.variant) else () for program in programs}),
        absent=tuple(opened.builder.data.absent),
        notes=_notes(opened),
        cost=cost,
        disk=disk,
    )


def _shared_stages(programs: Sequence[PairProgram]) -> dict[str, Spec]:
    return {spec.key: spec for program in programs for spec in program.shared_stages()}


def _num_stages(walk: Walk) -> int:
    """All stages, if nothing is pruned."""
    timings = len(walk.benchmarks) + num_architectures(walk.benchmarks)
    return len(_shared_stages(walk.programs)) + sum(program.num_stages() for program in walk.programs) + timings


def run_rest(opened: Opened, walk: Walk, journal: Journal, leases: Leases, limits: Limits = NO_LIMITS) -> str | None:
    """Runs what the walk has left; returns why it ended early, if it did."""
    opened.home.cache.mkdir(parents=True, exist_ok=True)
    written = [opened.home.cache, *([opened.store.files.local("")] if opened.store.files.is_local else [])]
    brakes = Brakes(written, limits, listen=orders_of(opened).read)
    with cluster(opened.study.resources) as num_at_once:
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


def _notes(opened: Opened) -> tuple[str, ...]:
    """What a reader of the report has to know and would not guess, after the study's own notes."""
    study = opened.study
    caveats = [*study.notes, *opened.builder.data.substitutes()]
    for target, settings in study.targets.items():
        if settings.test.startswith("dev"):
            caveats.append(
                f"{target} is scored on its {settings.test} split; in the source language the same examples may have selected the point."
            )
    if study.encoder_seeds == "shared" and study.intermediates:
        caveats.append("All replicates of a cell start from one intermediate encoder: intervals do not cover its seed.")
    return (*caveats, *retries_of(opened).notes())


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
