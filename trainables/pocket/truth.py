"""The planted truth: an intermediate task helps a target if, and only if, both need the same hidden knowledge."""

import importlib


def needs(task: str) -> frozenset[str]:
    """The attributes that a pocket task cannot be solved without, or "translation": that languages say the same."""
    found = importlib.import_module(f"trainables.tasks.{task}").NEEDS
    assert isinstance(found, frozenset), f"trainables/tasks/{task}.py must define NEEDS"
    return found


def is_helpful(intermediate: str, target: str) -> bool:
    return not needs(intermediate).isdisjoint(needs(target))
