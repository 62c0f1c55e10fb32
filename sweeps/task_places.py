"""Where a study uses a task, for errors of the task's own file."""

from collections.abc import Iterator
from contextlib import contextmanager

from sweeps.references import NO_DEV, parse_reference, trained_on
from sweeps.study import Study, StudyError
from sweeps.study_training import TaskUse
from trainables.catalogue import CatalogueError
from trainables.task import TASKS


@contextmanager
def naming_places(study: Study) -> Iterator[None]:
    """What a task's own code raises becomes a StudyError that begins with where the study uses that task."""
    try:
        yield
    except CatalogueError as error:
        places = [place for place, tasks in _tasks(study) if error.name in tasks]
        raise StudyError(f"{', '.join(places) or error.name}: {error}") from error


def tasks_of(study: Study) -> list[str]:
    """All tasks whose examples a study reads."""
    return sorted({task for _, tasks in _tasks(study) for task in tasks})


def _tasks(study: Study) -> Iterator[tuple[str, set[str]]]:
    """The places of a study that name tasks, and all whose examples are read there."""
    for name, model in study.models.items():
        for task, use in model.random.tokenizer_text.items() if model.random is not None else ():
            yield f"models.{name}.random.tokenizer_text", _read_by(task, use)
    mixtures = [(place, mixture.tasks) for place, mixture in study.mixtures().items()]
    mixtures += [(f"axes.{axis}.{value}", each.mixed_in) for axis, values in study.axes.items() for value, each in values.items()]
    for place, uses in mixtures:
        yield place, {found for task, use in uses.items() for found in _read_by(task, use)}
    for target, settings in study.targets.items():
        dev = () if settings.dev is None else (parse_reference(settings.dev, target).task,)
        yield f"targets.{target}", _with_parts({target, trained_on(target, settings.train).task, *dev})


def _read_by(task: str, use: TaskUse) -> set[str]:
    dev = () if use.dev in (None, NO_DEV) else (parse_reference(use.dev, task).task,)
    return _with_parts({task, parse_reference(use.train, task).task, *dev})


def _with_parts(tasks: set[str]) -> set[str]:
    return tasks | {part for task in tasks for part in TASKS.load(task).parts}
