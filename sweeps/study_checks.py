"""Whether what a study says of its tasks can be: names, languages, fields that apply, examples that one head fits."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from sweeps.references import (
    NO_DEV,
    check_fits,
    check_language_set,
    check_languages,
    check_reference,
    check_task,
    known_languages,
    parse_reference,
    trained_on,
)
from sweeps.synthesis import KINDS, Generate
from trainables.catalogue import did_you_mean
from trainables.specs import Record
from trainables.task import TASKS, Task

if TYPE_CHECKING:  # they are checked with what is here
    from sweeps.study import Benchmark, Study, Variation
    from sweeps.study_targets import Retrieval, Target
    from sweeps.study_training import Mixture, TaskUse

_OF_TRAINED = ("train", "num_examples", "selection")
"""Fields of a target that trains."""

_OF_EMBEDDING = ("max_length", "precision")
"""Settings of a training that a target without one has as well."""


def check_mixture(place: str, mixture: Mixture) -> None:
    """A ValueError that begins with `place` if some task cannot be trained as the mixture says."""
    if not mixture.tasks:
        raise ValueError(f"{place}.tasks: a mixture needs at least one task")
    check_tasks(f"{place}.tasks", mixture.tasks)


def check_tasks(place: str, tasks: Mapping[str, TaskUse]) -> None:
    """A ValueError that begins with `place` if some of these tasks cannot be trained together."""
    first: dict[str, str] = {}
    for task, use in tasks.items():
        here = f"{place}.{task}"
        check_text(here, task, use)
        if use.synthetic is not None:
            _check_synthetic(f"{here}.synthetic", task, use)
        if TASKS.load(task).kind == "retrieval":
            raise ValueError(f"{here}: {task!r} is a retrieval task, which trains nothing; it can only be a target")
        check_fits(f"{here}.train", task, use.train)
        if use.dev not in (None, NO_DEV):
            check_fits(f"{here}.dev", task, use.dev)
        trained = parse_reference(use.train, task).task
        other = first.setdefault(trained, task)
        if (use.weight, use.share) != (tasks[other].weight, tasks[other].share):
            raise ValueError(f"{here}: trains on {trained} as {other} does, and they have one share of the steps; give both the same")


def _check_synthetic(place: str, task: str, use: TaskUse) -> None:
    """A ValueError that begins with `place` if a task's examples cannot be made so."""
    made, kind = use.synthetic, TASKS.load(task).kind
    assert made is not None, "who calls this has looked"
    if kind not in KINDS[made.method]:
        fitting = [method for method, kinds in KINDS.items() if kind in kinds]
        instead = f"use {' or '.join(fitting)}" if fitting else "leave synthetic out"
        raise ValueError(f"{place}.method: {made.method}, but {task} is of kind {kind}, which it cannot be for; {instead}")
    if use.languages != "source":
        raise ValueError(f"{place}: it is made of the source language, but languages is {use.languages!r}; leave languages out")
    if made.human_share is not None and use.num_examples is None:
        raise ValueError(f"{place}.human_share: {made.human_share:g} of num_examples, which {task} does not have; give it num_examples")
    limit = made.num_examples
    if use.num_examples is not None and limit is not None and use.num_examples > limit:
        raise ValueError(f"{place}.num_examples: {limit}, but num_examples of {task} is {use.num_examples}; make as many at least")
    if isinstance(made, Generate) and made.num_shown > made.pool:
        raise ValueError(f"{place}.num_shown: {made.num_shown}, but the pool is {made.pool}; show fewer, or enlarge the pool")


def check_axes(axes: Mapping[str, Mapping[str, Variation]], searched: Collection[str]) -> None:
    """A ValueError that begins with its place if the values of the axes do not make variants; the search varies `searched`."""
    first: dict[str, str] = {}
    for axis, variations in axes.items():
        for value, variation in variations.items():
            place = f"axes.{axis}.{value}"
            if first.setdefault(value, axis) != axis:
                raise ValueError(f"{place}: axes.{first[value]} has a value of this name too; rename one, for variants are named by them")
            check_tasks(f"{place}.mixed_in", variation.mixed_in)
            if not variation.fields:
                raise ValueError(f"{place}: it changes nothing; `base`, which changes nothing, is always there")
            for field in searched:
                if f"target_training.{field}" in variation.fields:
                    raise ValueError(f"{place}.target_training.{field}: the search varies it; vary one of them elsewhere")
    for (one, some), (two, others) in itertools.combinations(axes.items(), 2):
        if both := sorted(_changed(some) & _changed(others)):
            raise ValueError(f"axes.{two}: it changes {both[0]}, and so does axes.{one}; make them one axis")


def _changed(axis: Mapping[str, Variation]) -> set[str]:
    return {field for variation in axis.values() for field in variation.fields}


def check_text(place: str, task: str, use: TaskUse) -> None:
    """A ValueError that begins with `place` if the examples that are read do not exist."""
    check_task(place, task)
    train_task = check_reference(f"{place}.train", task, use.train)
    if isinstance(use.languages, tuple):
        check_languages(f"{place}.languages", train_task, use.languages, is_trained=True)


def check_target(place: str, name: str, target: Target) -> None:
    """A ValueError that begins with `place` if the target cannot be scored as the study says, or a field of it does nothing."""
    check_task(place, name)
    task = TASKS.load(name)
    for field, value in _given_in_vain(task, target):
        why = "is a retrieval task, which trains nothing" if task.kind == "retrieval" else "is no retrieval task"
        raise ValueError(f"{place}.{field}: {value}, but {name} {why}; leave it out")
    _check_neighbours(place, task, target.retrieval)
    for field, reference in (("train", target.train), ("dev", target.dev)):
        if reference is not None:
            check_fits(f"{place}.{field}", name, reference)
    if check_reference(f"{place}.test", name, target.test) != name:
        raise ValueError(f"{place}.test: {target.test!r} is of another task; make that one a target, or name a split of {name}")
    if isinstance(target.languages, tuple):
        check_languages(f"{place}.languages", name, target.languages)
    elif target.languages in ("xtreme", "xtreme-r"):
        check_language_set(f"{place}.languages", name, target.languages)


def _check_neighbours(place: str, task: Task, retrieval: Retrieval) -> None:
    is_used = task.is_mining or retrieval.margin not in (None, "none")
    if "neighbours" in retrieval.model_fields_set and not is_used:
        raise ValueError(f"{place}.retrieval.neighbours: {retrieval.neighbours}, but without a margin it does nothing; give a margin")


def _given_in_vain(task: Task, target: Target) -> Iterator[tuple[str, str]]:
    """The fields that were given and do nothing for such a task, with their values."""
    if task.kind != "retrieval":
        yield from ((f"retrieval.{field}", value) for field, value in _given(target.retrieval))
        return
    unused = _OF_TRAINED if task.is_mining else (*_OF_TRAINED, "dev")
    yield from ((field, value) for field, value in _given(target) if field in unused)
    yield from ((f"training.{field}", value) for field, value in _given(target.training) if field not in _OF_EMBEDDING)


def _given(record: Record) -> Iterator[tuple[str, str]]:
    """Each field that the study gives, and its value."""
    for field, value in record.model_dump(mode="json", exclude_unset=True, exclude_none=True).items():
        yield field, repr(value)


def check_benchmark(study: Study, benchmark: Benchmark) -> None:
    """A ValueError if there is nothing to compare, or if something else could run beside what is timed."""
    for target in benchmark.targets or ():
        if target not in study.targets:
            raise ValueError(f"benchmark.targets: {target!r} is no target of the study{did_you_mean(target, list(study.targets))}")
        if TASKS.load(target).kind == "retrieval":
            raise ValueError(f"benchmark.targets: {target!r} is a retrieval task, which trains no head to time; leave it out")
    if not study.benchmarked():
        raise ValueError("benchmark: all targets are retrieval tasks, which train no head to time; add another target or leave it out")
    if not study.intermediates:
        raise ValueError("benchmark: it times models with and without intermediate training, but there are no intermediates; name one")
    gpus = study.resources.gpus_per_worker
    if gpus != "auto" and gpus != int(gpus):  # by itself it is given a whole one
        raise ValueError(
            f"resources.gpus_per_worker: {gpus:g}, but a benchmark that shares its GPU with a trial would time the trial as well; "
            "give it whole GPUs, or leave benchmark out"
        )
    if study.resources.workers > 1:
        raise ValueError(
            f"resources.workers: {study.resources.workers}, but what is timed runs in one process, and a stage of several workers "
            "holds no device for it; set workers: 1, or leave benchmark out"
        )


def check_source_language(study: Study) -> None:
    """A ValueError if nothing that the study trains on has its source language."""
    trained = [task for name in study.intermediates for task in _trained(study.mixture(name).tasks)]
    trained += [trained_on(name, target.train).task for name, target in study.targets.items() if TASKS.load(name).kind != "retrieval"]
    if not trained:  # then it is only the language of what the encoder is made of, and of the queries
        texts = [model.random.tokenizer_text for model in study.models.values() if model.random]
        texts += [model.pretraining.tasks for model in study.models.values() if model.pretraining]
        trained = [*(task for uses in texts for task in _trained(uses)), *study.targets]
    known = sorted({language for task in trained for language in known_languages(task)})
    if study.source_language not in known:
        language = study.source_language
        raise ValueError(f"source_language: none of the tasks that are trained on has {language!r}{did_you_mean(language, known)}")


def check_written(study: Study) -> None:
    """A ValueError if a text-to-text model meets a task whose answers are no words of a label."""
    written = [name for name, model in study.models.items() if model.form != "head"]
    mixtures = {f"intermediates.{name}.tasks": study.mixture(name).tasks for name in study.intermediates}
    for axis, variations in study.axes.items():
        mixtures |= {f"axes.{axis}.{value}.mixed_in": variation.mixed_in for value, variation in variations.items()}
    places = [(f"{place}.{task}", task) for place, tasks in mixtures.items() for task in tasks]
    for place, task in [*places, *((f"targets.{target}", target) for target in study.targets)] if written else []:
        if (kind := TASKS.load(task).kind) not in ("classification", "multiple_choice"):
            raise ValueError(
                f"{place}: {task} is of kind {kind}, but models.{written[0]} is text-to-text, which is for classification and multiple "
                "choice; leave one of them out"
            )


def check_own_targets(study: Study) -> None:
    """A ValueError if an intermediate trains, supervised, on the very task that is a target; text alone teaches no task."""
    mixtures = {f"intermediates.{name}.tasks": study.mixture(name).tasks for name in study.intermediates}
    for axis, variations in study.axes.items():
        mixtures |= {f"axes.{axis}.{value}.mixed_in": variation.mixed_in for value, variation in variations.items()}
    for place, tasks in mixtures.items():
        for task, trained in zip(tasks, _trained(tasks), strict=True):
            if trained in study.targets and TASKS.load(trained).kind != "mlm":
                raise ValueError(
                    f"{place}.{task}: it trains on {trained}, which is a target: what it gained there would be no transfer; "
                    f"leave {trained} out of the mixture, or out of the targets"
                )


def _trained(uses: Mapping[str, TaskUse]) -> list[str]:
    return [parse_reference(use.train, task).task for task, use in uses.items()]
