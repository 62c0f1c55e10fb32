"""How a study names data: `split`, `split[slice]` or `task/split[slice]`, and languages of a task."""

from typing import NamedTuple

from trainables.catalogue import did_you_mean
from trainables.language_sets import languages_in
from trainables.splits import parse_split
from trainables.task import TASKS

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


def check_references(place: str, task: str, references: tuple[str | None, ...]) -> None:
    """A ValueError that begins with `place` if the task, or what a reference names, is unknown."""
    if task not in TASKS.names:
        raise ValueError(f"{place}: unknown task {task!r}{did_you_mean(task, TASKS.names)}")
    for reference in references:
        if reference not in (None, NO_DEV):
            try:
                parse_reference(reference, task)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None


def check_languages(place: str, task: str, languages: tuple[str, ...]) -> None:
    """A ValueError that begins with `place` if the task lacks one of the languages."""
    known = TASKS.load(task).languages
    for language in languages:
        if language not in known:
            raise ValueError(f"{place}: {task} has no language {language!r}{did_you_mean(language, known)}")


def check_language_set(place: str, task: str, set_name: str) -> None:
    """A ValueError that begins with `place` if the benchmark lacks the task."""
    try:
        languages_in(set_name, task)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
