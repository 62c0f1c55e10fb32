"""The folders in which XTREME and XTREME-R keep labels and predictions: `<task>/test-<language>.<suffix>`, and the groups of tasks.

All as in google-research/xtreme@838c13b, evaluate.py, but for LAReQA, for which that script names no languages and has no score.
"""

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


def task_folders(root: Path) -> tuple[str, ...]:
    """The names of the folders in `root`, sorted, without hidden ones."""
    return tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")))


def benchmark_tasks(benchmark: str) -> tuple[str, ...]:
    """The tasks whose mean is the benchmark's score: group by group, then those of no group."""
    grouped = (task for tasks in GROUPS[benchmark].values() for task in tasks)
    return tuple(dict.fromkeys((*grouped, *LANGUAGE_SETS[benchmark].languages)))
