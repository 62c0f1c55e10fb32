"""A study that was read, with the store that it works on: what every verb begins with."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sweeps.builder import SpecBuilder
from sweeps.home import Home, StudyIsRunningError, study_lock
from sweeps.leases import Driver, Leases
from sweeps.orders import Orders
from sweeps.plan import PairProgram, Request, num_architectures, plan_benchmarks, plan_study
from sweeps.retries import Retries
from sweeps.study import Study, StudyError
from sweeps.study_file import load_study
from sweeps.task_facts import check_declared
from sweeps.task_places import naming_places, tasks_of
from sweeps.walk import Lookup, Walk
from trainables.data import check_folder
from trainables.manifest import Manifest
from trainables.overlap import TextHashes, load_text_hashes
from trainables.specs import DataSpec, Spec
from trainables.store import Store


class Opened(NamedTuple):
    """A study that was read and planned."""

    study: Study
    builder: SpecBuilder
    home: Home
    data: Path | None
    store: Store
    base: Path
    """The folder that the study's relative paths start from."""


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
    store = open_store_of(where)
    check_declared(store.files, tasks_of(study))
    return Opened(study, builder, where, data, store, path.resolve().parent)


def open_store_of(home: Home) -> Store:
    """The store of a home; a StudyError if it cannot be reached."""
    try:
        store = Store(home.store, home.cache)
        store.keys()
    except (OSError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise StudyError(f"--store {home.store}: {said}; give a folder, or a URI such as s3://bucket/prefix, that can be read") from None
    return store


def text_hashes(spec: DataSpec, folder: Path | None, cache: Path, study: Study) -> TextHashes | None:
    """The hashes of the texts of some examples, to measure what was seen of them; of what is made rather than read there are none."""
    try:
        with naming_places(study):
            return None if spec.source == "generated" or spec.stage is not None else load_text_hashes(spec, folder, cache)
    except ValueError as error:
        raise StudyError(str(error)) from None


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


def retries_of(opened: Opened) -> Retries:
    """What was computed again of a study."""
    return Retries(opened.home.retries(opened.study.name))


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


def ready_stages(opened: Opened) -> Iterator[Request]:
    """The stages that a run would start at once, for all that they need is in the store."""
    walk, _ = walk_store(opened)
    while (request := walk.next()) is not None:
        yield request


def shared_stages(programs: Sequence[PairProgram]) -> dict[str, Spec]:
    return {spec.key: spec for program in programs for spec in program.shared_stages()}


def num_stages(walk: Walk) -> int:
    """All stages, if nothing is pruned."""
    timings = len(walk.benchmarks) + num_architectures(walk.benchmarks)
    return len(shared_stages(walk.programs)) + sum(program.num_stages() for program in walk.programs) + timings


def notes_of(opened: Opened) -> tuple[str, ...]:
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
