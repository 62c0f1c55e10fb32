"""From a DataSpec to its examples: reads them, checks every entry, takes slice and subset."""

import contextlib
import functools
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from trainables.example_checks import check_split, checked
from trainables.examples import Dropped, Example
from trainables.origins import find_origin, made_origin, with_labels
from trainables.specs import DataSpec
from trainables.splits import parse_split, slice_of, subset_of, take
from trainables.task import TASKS, Task
from trainables.task_errors import in_task_file


class Examples(NamedTuple):
    """The examples that a DataSpec names, in the order of the files, and what the data set's own rules left out, by reason."""

    examples: list[Example]
    dropped: dict[str, int]


def load_examples(data: DataSpec, folder: str | Path | None, *, labelled: bool = True, artifact: Path | None = None) -> Examples:
    """The examples of `data`, from the files below `folder`, or from the hub where that is None; generated tasks need neither.

    Those that a stage made are in its `artifact`, the folder of its files.

    Any entry that does not fit its task is a ValueError that names it. `labelled=False` is for text alone: it accepts the
    unlabelled splits that are otherwise refused.
    """
    return read_examples(TASKS.load(data.task), data, folder, labelled=labelled, artifact=artifact)


def read_examples(
    task: Task, data: DataSpec, folder: str | Path | None, *, labelled: bool = True, artifact: Path | None = None
) -> Examples:
    """As `load_examples`, of a task that is at hand."""
    if data.task_version != task.version:
        raise ValueError(f"task {data.task!r} is at version {task.version}, but the spec was made for version {data.task_version}")
    split, start, stop = parse_split(data.split)
    is_made = data.stage is not None
    origin = made_origin(data, artifact) if is_made else find_origin(data.task, task, split, data.language, folder)
    if origin.source != data.source:
        raise ValueError(f"{origin.place}: the data is {origin.source} now, but the spec was made for {data.source}")
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    with contextlib.nullcontext() if is_made else in_task_file(data.task, origin.place):
        labelled_task = with_labels(task, data, folder)
        for entry in checked(labelled_task, origin.entries(), origin.place, labelled):
            if isinstance(entry, Dropped):
                dropped[entry.reason] += 1
            else:
                examples.append(entry)
    check_split(labelled_task, examples, dict(sorted(dropped.items())), origin.place, labelled)
    if not is_made:  # what is made of a slice is the slice
        examples = take(examples, functools.partial(slice_of, start=start, stop=stop, place=origin.place, split=data.split))
    if data.num_examples is not None:
        examples = take(examples, functools.partial(subset_of, num_examples=data.num_examples, place=f"{origin.place}, {data.split}"))
    return Examples(examples, dict(sorted(dropped.items())))


def check_folder(folder: str | Path | None) -> None:
    """A ValueError if there is no such folder of published files; None stands for the hub."""
    if folder is not None and not Path(folder).is_dir():
        found = "is a file; give the folder that its data set's folder is in" if Path(folder).exists() else "there is no such folder"
        raise ValueError(f"--data {folder}: {found}")
