"""What a task is: its kind, labels, languages and metrics, and where its examples come from."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from trainables.catalogue import Catalogue, did_you_mean
from trainables.examples import Dropped, Entries, Example

Kind = Literal["classification", "tagging", "span_qa", "multiple_choice", "retrieval", "mlm"]
Split = Literal["train", "dev", "test"]

MLM_HEAD = "mlm"
METRICS_OF: Mapping[Kind, tuple[str, ...]] = {
    "classification": ("accuracy", "binary_f1"),
    "tagging": ("span_f1", "pos_f1", "accuracy"),
    "span_qa": ("f1", "exact_match", "best_f1", "best_exact_match", "mlqa_f1", "mlqa_exact_match"),
    "multiple_choice": ("accuracy",),
    "retrieval": ("accuracy", "map_at_20", "mining_f1", "mining_precision", "mining_recall"),
    "mlm": ("accuracy",),
}
"""Names in `trainables.metrics` that a task of each kind can have."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubSource:
    """A data set on the Hugging Face hub.

    `config` may hold `{language}`, which `codes` renames to the hub's; `splits` maps our split names to the hub's.
    `read(row, language, number)` turns one row into an example, or says why the data set's rules drop it; a row that expands
    to several examples gives a list. `number` is the row's place in its split, from 0: the id where the data set has none.
    Where all languages share a config, `belongs(row, language)` tells which rows are a language's, and `number` counts those.
    `languages` are those that the data set holds; empty for all of the task's.
    """

    path: str
    revision: str
    config: str | None
    splits: Mapping[Split, str]
    read: Callable[[Mapping[str, Any], str, int], Example | Dropped | list[Example]]
    codes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    belongs: Callable[[Mapping[str, Any], str], bool] | None = None
    languages: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileSource:
    """One layout of published files below the data folder.

    `paths` maps a split to the files that make it up, relative to the data folder; each may hold `{language}`, and `*` for all
    files of a folder that match, sorted by name. `read(paths, language)` yields the examples of one split, in the order of the files.
    `codes` renames our language codes to those that the file names use. Where the label set lies in the data, as with a licensed treebank,
    `label_paths` are the files that `read_labels(paths)` finds it in; they are a part of every split's source.
    """

    paths: Mapping[Split, tuple[str, ...]]
    read: Callable[[Sequence[Path], str], Entries]
    codes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    label_paths: tuple[str, ...] = ()
    read_labels: Callable[[Sequence[Path]], tuple[str, ...]] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A task, as its file under `trainables/tasks` describes it.

    `version` is raised when the examples or their meaning change: it is part of every key that the task enters.
    `labels` are empty where the files name them (`trainables.origins.with_labels`). `languages` are those that the task can be
    evaluated in. A target trains in `source_language`; a mixture may train in any that has training data, as masked-language modelling
    and translated data do. `train_on` names the task whose training split is this one's by convention (XNLI's is MNLI's).
    `translated_from` names the task of whose training split this one's is a machine translation: they share a head, and that task's dev
    split selects. `has_unanswerable` says that some questions of a span_qa task have no answer, which is then something to predict.
    `is_mining` says that queries of a retrieval task may have no match: pairs are kept by a threshold that the dev split sets.
    `metrics` are names in `trainables.metrics`; the first one is selected on and shown in the matrix. `files` are tried in order: the
    first layout that has the split wins. `more_hubs` hold languages that `hub` lacks.
    `parts` names tasks of the same kind and labels whose examples, one after the other, are this task's.
    `text_fields` is what a text-to-text model calls the two texts of a pair.
    `generate(split, language)` is for tasks that are made rather than read.
    """

    version: int
    kind: Kind
    languages: tuple[str, ...]
    source_language: str = "en"
    labels: tuple[str, ...] = ()
    text_fields: tuple[str, str] = ("sentence1", "sentence2")
    num_options: int | None = None
    has_unanswerable: bool = False
    is_mining: bool = False
    metrics: tuple[str, ...]
    train_on: str | None = None
    translated_from: str | None = None
    hub: HubSource | None = None
    more_hubs: tuple[HubSource, ...] = ()
    files: tuple[FileSource, ...] = ()
    parts: tuple[str, ...] = ()
    generate: Callable[[Split, str], Entries] | None = None
    generated_splits: tuple[Split, ...] = ("train", "dev", "test")

    def __post_init__(self) -> None:
        """A ValueError says what cannot be, before anything is trained with it."""
        if self.kind not in METRICS_OF:
            raise ValueError(f"kind: {self.kind!r} is no kind of task{did_you_mean(self.kind, list(METRICS_OF))}")
        known = METRICS_OF[self.kind]
        for metric in self.metrics:
            if metric not in known:
                raise ValueError(f"metrics: {metric!r} is no metric of {self.kind}{did_you_mean(metric, known)}")
        if not self.metrics:
            raise ValueError(f"metrics: name at least one of {', '.join(known)}; the first is selected on")
        if twice := next((label for place, label in enumerate(self.labels) if label in self.labels[:place]), None):
            raise ValueError(f"labels: {twice!r} is there twice")
        if self.kind in ("classification", "tagging") and not self.labels and not self.has_file_labels:
            raise ValueError("labels: none are given, and no files name them (`read_labels`)")
        if "binary_f1" in self.metrics and len(self.labels) != 2:
            raise ValueError(f"metrics: binary_f1 is of the second of two labels, but there are {len(self.labels)}")

    @property
    def has_file_labels(self) -> bool:
        """Whether the labels lie in the files rather than here."""
        return any(layout.read_labels is not None for layout in self.files)

    def hub_of(self, language: str) -> HubSource | None:
        """The hub's data set that holds a language, if one does."""
        hubs = (self.hub, *self.more_hubs) if self.hub is not None else ()
        return next((hub for hub in hubs if not hub.languages or language in hub.languages), None)

    def has_split(self, split: Split) -> bool:
        """Whether any of the task's origins knows this split."""
        if self.parts:
            return all(TASKS.load(part).has_split(split) for part in self.parts)
        known = [layout.paths for layout in self.files] + ([self.hub.splits] if self.hub else [])
        return split in self.generated_splits if self.generate is not None else any(split in splits for splits in known)


TASKS = Catalogue("trainables.tasks", "TASK", Task, "task")
"""All tasks: the files under `trainables/tasks`."""


def head_name(task: str) -> str:
    """The head that a task trains: its own, but one for all tasks that predict the same thing: masked-language modelling, translations."""
    found = TASKS.load(task)
    return MLM_HEAD if found.kind == "mlm" else found.translated_from or task
