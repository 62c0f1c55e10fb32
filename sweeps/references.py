"""How a study names data: `split`, `split[slice]` or `task/split[slice]`, and languages of a task."""

from typing import NamedTuple

from trainables.catalogue import CatalogueError, did_you_mean, listed
from trainables.language_sets import languages_in
from trainables.splits import parse_split
from trainables.task import TASKS, Task

NO_DEV = "none"
"""Leaves a task of a mixture out of selection."""


class Reference(NamedTuple):
    """Examples of a task: `split` may have a slice, as in a study."""

    task: str
    split: str


def parse_reference(reference: str, default_task: str) -> Reference:
    """`task/split[slice]`; the task may be left out."""
    task, slash, split = reference.rpartition("/")
    if slash and task not in TASKS.names:
        raise ValueError(f"unknown task {task!r} in {reference!r}{did_you_mean(task, TASKS.names)}")
    parse_split(split)
    return Reference(task or default_task, split)


def trained_on(target: str, given: str | None) -> Reference:
    """The training examples of a target: those given, by default those of the task that it trains on by convention."""
    return parse_reference(given or f"{TASKS.load(target).train_on or target}/train", target)


def check_task(place: str, task: str) -> None:
    """A ValueError that begins with `place` if there is no such task, or if its file is wrong."""
    try:
        TASKS.load(task)
    except (ValueError, CatalogueError) as error:
        raise ValueError(f"{place}: {error}") from None


def check_reference(place: str, task: str, reference: str) -> str:
    """The task whose examples `reference` names; a ValueError that begins with `place` if there is none."""
    try:
        found = parse_reference(reference, task).task
        TASKS.load(found)
    except (ValueError, CatalogueError) as error:
        raise ValueError(f"{place}: {error}") from None
    return found


def check_fits(place: str, task: str, reference: str) -> None:
    """A ValueError that begins with `place` if what `reference` names cannot stand in for examples of `task`: no head is for both."""
    other = check_reference(place, task, reference)
    wanted, found = TASKS.load(task), TASKS.load(other)
    if (wanted.kind, wanted.is_mining) != (found.kind, found.is_mining):
        raise ValueError(f"{place}: {reference!r} is of kind {_kind(found)}, but {task} of kind {_kind(wanted)}; name a task of that kind")
    if other != task and (wanted.labels != found.labels or wanted.has_file_labels or found.has_file_labels):
        raise ValueError(
            f"{place}: {reference!r} has the labels {_labels(found)}, but {task} has {_labels(wanted)}; name a task with those labels"
        )


def check_languages(place: str, task: str, languages: tuple[str, ...], *, is_trained: bool = False) -> None:
    """A ValueError that begins with `place` if the task lacks one of the languages; some only train in their source language."""
    found = TASKS.load(task)
    known = known_languages(task) if is_trained else found.languages
    for language in languages:
        if language not in known:
            raise ValueError(f"{place}: {task} has no language {language!r}{did_you_mean(language, known)}")


def check_language_set(place: str, task: str, set_name: str) -> None:
    """A ValueError that begins with `place` if the benchmark lacks the task."""
    try:
        languages_in(set_name, task)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def known_languages(task: str) -> tuple[str, ...]:
    """The languages that a task can have examples in."""
    found = TASKS.load(task)
    return tuple(dict.fromkeys((found.source_language, *found.languages)))


def _kind(task: Task) -> str:
    return "retrieval by mining" if task.is_mining else task.kind


def _labels(task: Task) -> str:
    return "of its files" if task.has_file_labels else listed(task.labels)
