"""How far a study is, and what it will take."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sweeps.cost import CostModel, StudyCost, all_stages, study_cost
from sweeps.data_sample import DataSamples
from sweeps.device_rates import DeviceName, assumed_rate, measured_rate
from sweeps.disk import StudyDisk, study_disk
from sweeps.expectation import learn
from sweeps.launch import most_at_once
from sweeps.marks import mark_lines
from sweeps.opened import Opened, driver_of, notes_of, num_stages, shared_stages, walk_store
from sweeps.results import ORACLE_NOTE, is_oracle
from sweeps.task_places import naming_places
from sweeps.walk import Walk
from trainables.manifest import Manifest
from trainables.specs import Record
from trainables.store import LostArtifactError, Store

NUM_MEASURED, NUM_MEASURED_AFAR = 2000, 200
"""Stages in the store that say how fast a device is; fewer of an object store's, each of which takes a request."""


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


def count(opened: Opened, device: DeviceName | None = None) -> Counts:
    """Stages, searches and trainings of a study, how much of it is in the store, and what it will cost.

    Trainings in the store say how fast a device is, the given one or any; where none was given or measured, an
    A100 is assumed, or a thread of a processor where the study asks for no GPU.
    """
    walk = walk_store(opened)[0]
    is_gpu = opened.study.resources.uses_gpus
    known = _some_stages(opened.store)
    rate = measured_rate(known, device, is_gpu) or assumed_rate(device or ("a100" if is_gpu else "cpu"))
    experience = None if rate.device is None else learn(known, rate.device, opened.store.manifest)
    costs = CostModel(opened.study, opened.base, DataSamples(opened.data, opened.home.cache), _made_tokenizers(opened))
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


def _made_tokenizers(opened: Opened) -> dict[str, Path]:
    """Of models that the study makes, where a run has made them in this machine's store."""
    found: dict[str, Path] = {}
    for model in opened.study.models if opened.store.files.is_local else ():
        for stage in opened.builder.initial_encoder(model).stages[:1]:  # later ones hand the same one on
            with contextlib.suppress(LostArtifactError):
                found[model] = opened.store.fetch(stage.key) / "tokenizer.json"
    return {model: path for model, path in found.items() if path.is_file()}


def _some_stages(store: Store) -> Sequence[Manifest]:
    """At most so many, for there may be tens of thousands; any, for their keys are hashes."""
    keys = sorted(store.keys(), key=lambda key: key.partition("-")[2])
    found = (store.manifest(key) for key in keys[: NUM_MEASURED if store.files.is_local else NUM_MEASURED_AFAR])
    return [manifest for manifest in found if manifest is not None]


def _counts(opened: Opened, walk: Walk, cost: StudyCost | None, disk: StudyDisk | None) -> Counts:
    programs = walk.programs
    shared = shared_stages(programs)
    num_shared_trainings = sum(spec.kind == "train" for spec in shared.values())
    without_sharing = sum(sum(spec.kind == "train" for spec in program.shared_stages()) for program in programs)
    target_trainings = sum(program.num_trainings() for program in programs)
    stages = num_stages(walk)
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
        notes=notes_of(opened),
        cost=cost,
        disk=disk,
    )
