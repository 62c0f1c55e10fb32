"""Where the entries of a split come from: published files below a folder, a data set on the hub, or a task that makes them."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trainables.catalogue import listed
from trainables.examples import Dropped, Entries, Example
from trainables.places import reading
from trainables.specs import DataSpec
from trainables.splits import SPLITS, parse_split
from trainables.task import TASKS, FileSource, HubSource, Split, Task


class HubError(ValueError):
    """The hub, or a data set there, cannot be reached; each try takes half a minute."""


class NeedsFilesError(ValueError):
    """Examples that no hub has were asked for without a data folder."""


class Origin(NamedTuple):
    """Where the entries of one split come from."""

    source: str
    """As in `DataSpec.source`."""
    place: str
    """For error messages: task, split, language, and the files."""
    entries: Callable[[], Entries]


def find_origin(name: str, task: Task, split: Split, language: str, folder: str | Path | None) -> Origin:
    """The generator, the files or the hub data set that a split is read from; a ValueError says what there is instead."""
    place = f"{name} {split} {language}"
    if language not in _known_languages(task):
        raise ValueError(f"{place}: language {language!r} is not one of {listed(_known_languages(task))}")
    if task.parts:
        return _joined_origin(place, task.parts, split, language, folder)
    if (generate := task.generate) is not None:
        if split not in task.generated_splits:
            raise ValueError(f"{place}: the task has no {split} split, only {', '.join(task.generated_splits)}")
        return Origin("generated", place, lambda: generate(split, language))
    if folder is not None:
        found = _existing_files(task, split, language, folder)
        if found is None:
            raise ValueError(_nothing_found(place, task, split, language, Path(folder)))
        layout, paths = found
        source = f"files:{_hash_files([*paths, *_label_files(layout, folder)])}"
        return Origin(source, f"{place} ({listed(list(map(str, paths)))})", lambda: layout.read(paths, language))
    if task.hub is None:
        raise NeedsFilesError(f"{place}: the task is not on the hub; give the folder of its files by --data")
    if (hub := task.hub_of(language)) is None:
        raise NeedsFilesError(f"{place}: {task.hub.path} has no {language!r}; give the folder of its files by --data, or leave it out")
    if split not in hub.splits:
        raise ValueError(f"{place}: {hub.path} has no {split} split, only {', '.join(hub.splits)}")
    return Origin(f"hub:{hub.path}@{hub.revision}", f"{place} ({hub.path})", lambda: _hub_entries(hub, split, language))


def made_origin(data: DataSpec, artifact: Path | None) -> Origin:
    """The examples that a stage made; `artifact` is the folder of its files."""
    assert artifact is not None, f"who reads {data.source} has fetched it"
    place = f"{data.task} {data.split} {data.language} ({data.source})"

    def entries() -> Iterator[Example]:
        from trainables.example_file import FILE, read_example_file  # planning reads no Parquet file and needs no pyarrow

        return read_example_file(artifact / FILE)

    return Origin(data.source, place, entries)


def data_source(task_name: str, split: str, language: str, folder: str | Path | None) -> str:
    """`DataSpec.source` of a split: `generated`, `hub:<path>@<revision>`, or `files:<16 hex of the hash of its files' bytes>`."""
    return find_origin(task_name, TASKS.load(task_name), parse_split(split).split, language, folder).source


def available_languages(task_name: str, split: str, folder: str | Path | None) -> tuple[str, ...]:
    """The task's languages that have this split: those whose files exist below `folder`, or all of them elsewhere."""
    return languages_with(TASKS.load(task_name), parse_split(split).split, folder)


def languages_with(task: Task, split: Split, folder: str | Path | None) -> tuple[str, ...]:
    """As `available_languages`, of a task that is at hand."""
    if task.parts:
        of_parts = [languages_with(TASKS.load(part), split, folder) for part in task.parts]
        return tuple(language for language in task.languages if all(language in languages for languages in of_parts))
    if task.generate is None and folder is not None:
        return tuple(language for language in _known_languages(task) if _existing_files(task, split, language, folder))
    if task.generate is None:
        return tuple(language for language in task.languages if (hub := task.hub_of(language)) is not None and split in hub.splits)
    return task.languages


def with_labels(task: Task, data: DataSpec, folder: str | Path | None) -> Task:
    """The task with its labels: those of the files that `data` is read from, where the task does not name them itself."""
    if not task.has_file_labels:
        return task
    assert folder is not None, "labels in files need files"
    found = _existing_files(task, parse_split(data.split).split, data.language, folder)
    assert found is not None, "who asks for labels has found the examples"
    layout = found[0]
    assert layout.read_labels is not None, "all layouts of a task name its labels, or none does"
    states = tuple(_state(path) for path in _label_files(layout, folder))
    return dataclasses.replace(task, labels=_read_labels(layout.read_labels, states))


def _joined_origin(place: str, parts: Sequence[str], split: Split, language: str, folder: str | Path | None) -> Origin:
    """All examples of the parts, one part after the other; ids begin with the part's name."""
    origins = {part: find_origin(part, TASKS.load(part), split, language, folder) for part in parts}
    digest = hashlib.sha256("\n".join(f"{part} {TASKS.load(part).version} {origin.source}" for part, origin in origins.items()).encode())

    def entries() -> Iterator[Example | Dropped]:
        for part, origin in origins.items():
            yield from (entry._replace(id=f"{part}/{entry.id}") for entry in origin.entries())

    return Origin(f"parts:{digest.hexdigest()[:16]}", f"{place}: {'; '.join(origin.place for origin in origins.values())}", entries)


def _known_languages(task: Task) -> tuple[str, ...]:
    """Training data may be in a source language that the task is not evaluated in."""
    return task.languages if task.source_language in task.languages else (task.source_language, *task.languages)


def _existing_files(task: Task, split: Split, language: str, folder: str | Path) -> tuple[FileSource, list[Path]] | None:
    for layout in task.files:
        paths = _layout_paths(layout, split, language, Path(folder))
        if paths and all(path.is_file() for path in [*paths, *_label_files(layout, folder)]):
            return layout, paths
    return None


def _layout_paths(layout: FileSource, split: Split, language: str, folder: Path) -> list[Path]:
    return _expanded(layout.paths.get(split, ()), layout.codes.get(language, language), folder)


def _expanded(patterns: Sequence[str], code: str, folder: Path) -> list[Path]:
    """The files that patterns name; one with `*` that matches none stands for itself, a file that is not there."""
    paths = []
    for pattern in patterns:
        name = pattern.format(language=code)
        paths += (sorted(folder.glob(name)) if "*" in name else []) or [folder / name]
    return paths


def _label_files(layout: FileSource, folder: str | Path) -> list[Path]:
    return _expanded(layout.label_paths, "", Path(folder))


def _nothing_found(place: str, task: Task, split: Split, language: str, folder: Path) -> str:
    layouts = [layout for layout in task.files if split in layout.paths]
    tried = [[*_layout_paths(layout, split, language, folder), *_label_files(layout, folder)] for layout in layouts]
    names = list(dict.fromkeys(str(path) for paths in tried for path in paths))
    splits = [other for other in SPLITS if _existing_files(task, other, language, folder)]
    languages = languages_with(task, split, folder)
    return (
        f"{place}: no files; tried {listed(names) or f'nothing: the task has no layout with a {split} split'}; "
        f"languages with {split} files: {', '.join(languages) or 'none'}; splits with {language} files: {', '.join(splits) or 'none'}"
    )


def _hash_files(paths: Sequence[Path]) -> str:
    """16 hex of the sha256 over the files' own sha256s, in order."""
    total = hashlib.sha256()
    for path in paths:
        total.update(_hash_file(_state(path)))
    return total.hexdigest()[:16]


_State = tuple[str, int, int]
"""A file by path, size and time of change in nanoseconds: what is remembered of one state does not stand for another."""


def _state(path: Path) -> _State:
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns


@functools.lru_cache(maxsize=4)
def _read_labels(read: Callable[[Sequence[Path]], tuple[str, ...]], states: tuple[_State, ...]) -> tuple[str, ...]:
    return read([Path(path) for path, _, _ in states])


@functools.lru_cache(maxsize=4096)
def _hash_file(state: _State) -> bytes:
    with open(state[0], "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _hub_entries(hub: HubSource, split: Split, language: str) -> Iterable[Example | Dropped]:
    import datasets  # slow to import, and planning never gets here

    config = None if hub.config is None else hub.config.format(language=hub.codes.get(language, language))
    try:
        rows = datasets.load_dataset(hub.path, config, split=hub.splits[split], revision=hub.revision)
    except OSError as error:  # it is not there, or nothing is
        said = " ".join(str(error).split())
        raise HubError(f"{hub.path} cannot be had from the hub ({said}); give the folder of its files by --data") from None
    return row_entries(hub, language, rows)


def row_entries(hub: HubSource, language: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Example | Dropped]:
    """The entries of a language, from the rows of the config that holds it."""
    own = (row for row in rows if hub.belongs is None or hub.belongs(row, language))
    for number, row in enumerate(own):
        reading(f"{hub.path} {language}, row {number}")
        entry = hub.read(row, language, number)
        yield from entry if isinstance(entry, list) else [entry]
