"""From a DataSpec to its examples: finds the files or the hub data set, reads them, checks every entry, takes slice and subset."""

import dataclasses
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from trainables.examples import Choice, Dropped, Entries, Example, Line, Passage, Question, Sentence, Text
from trainables.specs import DataSpec
from trainables.task import TASKS, FileSource, HubSource, Kind, Split, Task

_SPLITS: tuple[Split, ...] = get_args(Split)
_SPLIT = re.compile(r"(train|dev|test)(?:\[(\d+%?)?:(\d+%?)?\])?")
_RECORDS: dict[Kind, type[Example]] = {
    "classification": Text,
    "tagging": Sentence,
    "span_qa": Question,
    "multiple_choice": Choice,
    "retrieval": Passage,
    "mlm": Line,
}
_MAX_SHOWN = 20
"""Allowed values that an error message lists before it counts the rest."""


class Examples(NamedTuple):
    """The examples that a DataSpec names, in the order of the files, and what the data set's own rules left out, by reason."""

    examples: list[Example]
    dropped: dict[str, int]


def load_examples(data: DataSpec, folder: str | Path | None, *, labelled: bool = True) -> Examples:
    """The examples of `data`, from the files below `folder`, or from the hub where that is None; generated tasks need neither.

    Any entry that does not fit its task is a ValueError that names it. `labelled=False` is for text alone: it accepts the
    unlabelled splits that are otherwise refused.
    """
    return read_examples(TASKS.load(data.task), data, folder, labelled=labelled)


def read_examples(task: Task, data: DataSpec, folder: str | Path | None, *, labelled: bool = True) -> Examples:
    """As `load_examples`, of a task that is at hand."""
    if data.task_version != task.version:
        raise ValueError(f"task {data.task!r} is at version {task.version}, but the spec was made for version {data.task_version}")
    split, start, stop = parse_split(data.split)
    origin = find_origin(data.task, task, split, data.language, folder)
    if origin.source != data.source:
        raise ValueError(f"{origin.place}: the data is {origin.source} now, but the spec was made for {data.source}")
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    for entry in origin.entries():
        if isinstance(entry, Dropped):
            dropped[entry.reason] += 1
        else:
            examples.append(entry)
    _check_all(with_labels(task, data, folder), examples, origin.place, labelled)
    examples = _take(examples, functools.partial(_slice, start=start, stop=stop, place=origin.place, split=data.split))
    if data.num_examples is not None:
        examples = _take(examples, functools.partial(_subset, num_examples=data.num_examples, place=f"{origin.place}, {data.split}"))
    return Examples(examples, dict(sorted(dropped.items())))


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


class SplitSlice(NamedTuple):
    """A split, and the bounds of a slice of it: `9000`, `90%`, or None for the end."""

    split: Split
    start: str | None
    stop: str | None


def parse_split(text: str) -> SplitSlice:
    """`dev`, `dev[:9000]`, `train[90%:]`, `train[100:200]`."""
    match = _SPLIT.fullmatch(text)
    if match is None or text.endswith("[:]"):
        raise ValueError(f"split {text!r} is not one of {', '.join(_SPLITS)}, or a slice such as dev[:9000], train[90%:], train[100:200]")
    return SplitSlice(cast(Split, match[1]), match[2], match[3])


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
        raise ValueError(f"{place}: language {language!r} is not one of {_listed(_known_languages(task))}")
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
        return Origin(source, f"{place} ({_listed(list(map(str, paths)))})", lambda: layout.read(paths, language))
    if task.hub is None:
        raise ValueError(f"{place}: the task is not on the hub; name a data folder that holds its files")
    if (hub := task.hub_of(language)) is None:
        raise ValueError(f"{place}: {task.hub.path} has no {language!r}; name a data folder that holds its files, or leave it out")
    if split not in hub.splits:
        raise ValueError(f"{place}: {hub.path} has no {split} split, only {', '.join(hub.splits)}")
    return Origin(f"hub:{hub.path}@{hub.revision}", f"{place} ({hub.path})", lambda: _hub_entries(hub, split, language))


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
    splits = [other for other in _SPLITS if _existing_files(task, other, language, folder)]
    languages = languages_with(task, split, folder)
    return (
        f"{place}: no files; tried {_listed(names) or f'nothing: the task has no layout with a {split} split'}; "
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
    return row_entries(hub, language, datasets.load_dataset(hub.path, config, split=hub.splits[split], revision=hub.revision))


def row_entries(hub: HubSource, language: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Example | Dropped]:
    """The entries of a language, from the rows of the config that holds it."""
    own = (row for row in rows if hub.belongs is None or hub.belongs(row, language))
    for number, row in enumerate(own):
        entry = hub.read(row, language, number)
        yield from entry if isinstance(entry, list) else [entry]


def _take(examples: list[Example], choose: Callable[[list[Example]], list[Example]]) -> list[Example]:
    """Chooses among the examples; for retrieval among the queries, and every candidate stays."""
    candidates: list[Example] = [each for each in examples if isinstance(each, Passage) and each.side == "candidate"]
    if not candidates:
        return choose(examples)
    return choose([each for each in examples if isinstance(each, Passage) and each.side == "query"]) + candidates


def _slice(examples: list[Example], start: str | None, stop: str | None, place: str, split: str) -> list[Example]:
    num = len(examples)
    bounds = []
    for bound, missing in ((start, 0), (stop, num)):
        value = missing if bound is None else num * int(bound[:-1]) // 100 if bound.endswith("%") else int(bound)
        if value > num:
            raise ValueError(f"{place}: {split} reaches to {bound}, but there are {num} examples")
        bounds.append(value)
    if bounds[0] >= bounds[1]:
        raise ValueError(f"{place}: {split} is empty: {bounds[0]} to {bounds[1]} of {num} examples")
    return examples[bounds[0] : bounds[1]]


def _subset(examples: list[Example], num_examples: int, place: str) -> list[Example]:
    """The examples with the smallest hashes of their ids: nested by construction, and the same for every seed and language."""
    if not 0 < num_examples <= len(examples):
        raise ValueError(f"{place}: num_examples is {num_examples}, but there are {len(examples)} examples")
    order = sorted(range(len(examples)), key=lambda index: hashlib.sha256(examples[index].id.encode()).digest())
    return [examples[index] for index in sorted(order[:num_examples])]


def _check_all(task: Task, examples: list[Example], place: str, labelled: bool) -> None:
    if not examples:
        raise ValueError(f"{place}: the split is empty")
    record = _RECORDS[task.kind]
    allowed = frozenset(task.labels)
    seen: set[tuple[str, str]] = set()
    for example in examples:
        assert isinstance(example, record), f"{place}: a {task.kind} task yields {record.__name__}, not {type(example).__name__}"
        identity = (example.side if isinstance(example, Passage) else "", example.id)
        if identity in seen:
            raise ValueError(f"{place}: the id {example.id!r} is there twice")
        seen.add(identity)
        problem = _problem(task, allowed, example, labelled)
        if problem is not None:
            raise ValueError(f"{place}: example {example.id!r}: {problem}")
    if task.kind == "span_qa" and labelled and not any(cast(Question, example).answers for example in examples):
        raise ValueError(f"{place}: no question has an answer: this split is unlabelled")
    if task.kind == "retrieval":
        _check_retrieval(task, cast(list[Passage], examples), place, labelled)


def _problem(task: Task, allowed: frozenset[str], example: Example, labelled: bool) -> str | None:
    """What is wrong with one example, if anything; `allowed` is the set of the task's labels."""
    match example:
        case Text(label=label):
            if label is not None and label not in allowed:
                return f"label {label!r} is not one of {_listed(task.labels)}"
            return _missing("label", label, labelled)
        case Sentence(words=words, tags=tags):
            if not words:
                return "there are no words"
            if tags is not None and len(tags) != len(words):
                return f"{len(words)} words but {len(tags)} tags"
            for number, tag in enumerate(tags or (), 1):
                if tag not in allowed:
                    return f"tag {tag!r} of word {number} is not one of {_listed(task.labels)}"
            return _missing("tags", tags, labelled)
        case Question(context=context, answers=answers):
            for text, start in answers:
                found = context[start : start + len(text)] if start >= 0 else ""
                if not text or found != text:
                    return f"the answer {text!r} is not at character {start} of the context, where {found!r} is"
            if labelled and not answers and not task.has_unanswerable:
                return "it has no answer: this split is unlabelled, or the task lacks has_unanswerable=True"
        case Choice(options=options, label=label):
            if label is not None and not 0 <= label < len(options):
                return f"label {label} is not the index of one of {len(options)} options"
            return _missing("label", label, labelled)
        case Passage(side=side):
            return None if side in ("query", "candidate") else f"side {side!r} is not one of query, candidate"
        case Line(text=text):
            return None if text.strip() else "the line is blank"
    return None


def _missing(field: str, value: object, labelled: bool) -> str | None:
    return f"it has no {field}: this split is unlabelled" if labelled and value is None else None


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - _MAX_SHOWN} more" if len(values) > _MAX_SHOWN else ""
    return ", ".join(values[:_MAX_SHOWN]) + more


def _check_retrieval(task: Task, passages: list[Passage], place: str, labelled: bool) -> None:
    candidates = {passage.id for passage in passages if passage.side == "candidate"}
    queries = [passage for passage in passages if passage.side == "query"]
    if not queries or not candidates:
        raise ValueError(f"{place}: {len(queries)} queries and {len(candidates)} candidates; there must be some of each")
    for query in queries:
        if labelled and not query.relevant and not task.is_mining:
            raise ValueError(f"{place}: query {query.id!r} names no relevant candidate: this split is unlabelled")
        for relevant in query.relevant:
            if relevant not in candidates:
                raise ValueError(f"{place}: query {query.id!r} names the candidate {relevant!r}, which is not there")
    if labelled and not any(query.relevant for query in queries):
        raise ValueError(f"{place}: no query names a relevant candidate: this split is unlabelled")
