"""The folders in which XTREME and XTREME-R keep labels and predictions: `<task>/test-<language>.<suffix>`, and the groups of tasks.

All as in google-research/xtreme@838c13b, evaluate.py, but for LAReQA, for which that script names no languages and has no score.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from trainables.language_sets import LANGUAGE_SETS

Content = Literal["labels", "tags", "pairs", "line_numbers", "answers", "options", "rankings"]


class Layout(NamedTuple):
    """What a task's files hold, and how their names end."""

    content: Content
    suffix: str


LAYOUTS: Mapping[str, Layout] = {
    "xnli": Layout("labels", "tsv"),
    "pawsx": Layout("labels", "tsv"),
    "panx": Layout("tags", "tsv"),
    "udpos": Layout("tags", "tsv"),
    "bucc2018": Layout("pairs", "tsv"),
    "tatoeba": Layout("line_numbers", "tsv"),
    "xquad": Layout("answers", "json"),
    "mlqa": Layout("answers", "json"),
    "tydiqa": Layout("answers", "json"),
    "xcopa": Layout("options", "jsonl"),
    "mewslix": Layout("rankings", "json"),
    "lareqa": Layout("rankings", "json"),
}
"""`labels`: one a line. `tags`: one a line, a blank line between sentences. `pairs`: `id TAB id`. `line_numbers`: of the sentence that
was found, from 0. `answers`: `{question: text}`, and for labels SQuAD's JSON. `options`: JSON objects with a `label` of 0 or 1, one a
line. `rankings`: `{query: [candidates, best first]}`, and for labels `{query: [right candidates]}`."""

GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "xtreme": {
        "classification": ("pawsx", "xnli"),
        "tagging": ("udpos", "panx"),
        "qa": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("bucc2018", "tatoeba"),
    },
    "xtreme-r": {
        "classification": ("xnli", "xcopa"),
        "tagging": ("udpos", "panx"),
        "qa": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("tatoeba", "mewslix"),
        "multi_choice": ("xcopa",),
    },
}
"""By benchmark. XCOPA is in two of XTREME-R's groups and LAReQA in none."""


def file_name(task: str, language: str) -> str:
    """Of a task's file, within the folder of the task."""
    return f"test-{language}.{LAYOUTS[task].suffix}"


def visible(folder: Path) -> tuple[Path, ...]:
    """What lies in a folder, sorted, without what is hidden."""
    return tuple(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))


class Contents(NamedTuple):
    """What a folder of predictions or labels holds."""

    tasks: tuple[str, ...]
    others: tuple[Path, ...]
    """Files and folders that are no task's."""


def contents_of(option: str, folder: Path) -> Contents:
    """A ValueError for what is no folder, and for a folder whose name is nearly a task's: its files would be missed."""
    if not folder.is_dir():
        raise ValueError(f"{option} {folder}: " + ("it is a file; give a folder" if folder.exists() else "there is no such folder"))
    tasks, others = [], []
    for path in visible(folder):
        is_task = path.name in LAYOUTS
        near = difflib.get_close_matches(path.name, LAYOUTS, n=1) if path.is_dir() and not is_task else []
        if near:
            raise ValueError(f"{folder}: no task is called {path.name!r}; did you mean {near[0]!r}?")
        if is_task and not path.is_dir():
            raise ValueError(f"{path}: expected a folder of files {file_name(path.name, '<language>')}, found a file")
        if is_task:
            tasks.append(path.name)
        else:
            others.append(path)
    return Contents(tuple(tasks), tuple(others))


def benchmark_tasks(benchmark: str) -> tuple[str, ...]:
    """The tasks whose mean is the benchmark's score: group by group, then those of no group."""
    grouped = (task for tasks in GROUPS[benchmark].values() for task in tasks)
    return tuple(dict.fromkeys((*grouped, *LANGUAGE_SETS[benchmark].languages)))
