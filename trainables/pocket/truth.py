"""The planted truth: intermediate training helps a target if, and only if, it teaches hidden knowledge that the target needs."""

import importlib
from collections.abc import Iterable


def needs(task: str) -> frozenset[str]:
    """The attributes that a pocket task cannot be solved without, or "translation": that languages say the same."""
    found = importlib.import_module(f"trainables.tasks.{task}").NEEDS
    assert isinstance(found, frozenset), f"trainables/tasks/{task}.py must define NEEDS"
    return found


def is_helpful(tasks: Iterable[str], target: str) -> bool:
    """Whether training on `tasks`, alone or as a mixture, is planted to help `target`."""
    return any(not needs(task).isdisjoint(needs(target)) for task in tasks)
