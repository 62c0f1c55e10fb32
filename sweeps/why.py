"""Why a stage is not the one that the store has: the fields in which its spec differs from the nearest that is there."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainables.manifest import Manifest
from trainables.specs import Record
from trainables.store import Store

_ABSENT = "absent"
_KEY = re.compile(r"[a-z]+-[0-9a-f]{16}")


class Difference(Record):
    """One field of a spec, by its path: `mixture.0.train.num_examples`."""

    field: str
    here: str
    there: str
    """In the nearest stage; `absent` where a spec has no such field."""


class Why(Record):
    """A stage beside the nearest one of its kind."""

    key: str
    nearest: str | None
    """None if the store has no other of its kind."""
    differences: tuple[Difference, ...]
    parents: tuple["Why", ...] = ()
    """Of those fields that are keys of other stages, how these differ."""

    def lines(self, indent: str = "") -> Iterator[str]:
        """For people."""
        if self.nearest is None:
            yield f"{indent}{self.key}: the store has no other {self.key.partition('-')[0]} stage"
            return
        yield f"{indent}{self.key}: nearest in the store is {self.nearest}, which differs in"
        for each in self.differences:
            yield f"{indent}  {each.field}: {each.here} here, {each.there} there"
        for parent in self.parents:
            yield from parent.lines(f"{indent}    ")


def explain(key: str, content: Mapping[str, Any], store: Store) -> Why:
    """Compares a spec with those of all stages of its kind in the store; of several as near, with the newest."""
    others = (store.manifest(other) for other in sorted(store.keys()) if _kind(other) == _kind(key) and other != key)
    nearest: Manifest | None = None
    fewest: tuple[float, float] = (0.0, 0.0)
    for manifest in others:
        if manifest is not None:
            rank = (float(len(differences(content, manifest.spec))), -manifest.cost.started_at)
            if nearest is None or rank < fewest:
                nearest, fewest = manifest, rank
    if nearest is None:
        return Why(key=key, nearest=None, differences=())
    found = differences(content, nearest.spec)
    return Why(key=key, nearest=nearest.key, differences=found, parents=tuple(_parents(found, store)))


def _parents(found: tuple[Difference, ...], store: Store) -> Iterator[Why]:
    """What makes two stages that stand in the same place differ."""
    for each in found:
        are_keys = _KEY.fullmatch(each.here) and _KEY.fullmatch(each.there)
        here, there = (store.manifest(each.here), store.manifest(each.there)) if are_keys else (None, None)
        if here is not None and there is not None:
            inner = differences(here.spec, there.spec)
            yield Why(key=here.key, nearest=there.key, differences=inner, parents=tuple(_parents(inner, store)))


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> tuple[Difference, ...]:
    """By the order of fields."""
    left, right = dict(_leaves(here)), dict(_leaves(there))
    return tuple(
        Difference(field=field, here=left.get(field, _ABSENT), there=right.get(field, _ABSENT))
        for field in dict.fromkeys([*left, *right])
        if left.get(field, _ABSENT) != right.get(field, _ABSENT)
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value by its path; of libraries and versions the library is part of the path. What is None is not there."""
    if isinstance(value, Mapping | list | tuple) and not value:
        yield path, "empty"
        return
    if isinstance(value, Mapping):
        entries: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, list | tuple):
        entries = iter(value if path == "versions" else enumerate(value))
    else:
        if value is not None:
            yield path, str(value)
        return
    for name, entry in entries:
        yield from _leaves(entry, f"{path}.{name}" if path else str(name))


def _kind(key: str) -> str:
    return key.partition("-")[0]
