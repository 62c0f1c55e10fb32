"""What a study is likely to take, from what the stages in a store took: small stages take time that no operation counts, and searches
train less than they may.

Of trainings the time is a fixed part and one that grows with operations; of all other stages one that grows with tokens. Both are fitted to
the stages in the store by least squares, so that their sum is met.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import NamedTuple

import numpy as np

from search_spaces import SPACES
from trainables.keys import canonical_json
from trainables.manifest import Manifest
from trainables.specs import TrainSpec

TRAIN = TrainSpec.kind_name
Lookup = Callable[[str], Manifest | None]


class Line(NamedTuple):
    """Device seconds of a stage, by the size of its work."""

    fixed_s: float
    per_unit_s: float

    def at(self, units: float) -> float:
        return self.fixed_s + self.per_unit_s * units


class Experience(NamedTuple):
    """What the stages of one kind of device took."""

    lines: Mapping[str, Line]
    """By kind of stage; units are operations of trainings, tokens of others."""
    search_share: float
    """Of what searches might have trained, in seconds, what they did; 1 where no search is known."""


def learn(manifests: Iterable[Manifest], device: str, look_up: Lookup) -> Experience:
    """From the stages that ran on the device of this name; `look_up` finds the stages that they came from."""
    known = [manifest for manifest in manifests if manifest.cost.device == device]
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for manifest in known:
        kind = manifest.key.partition("-")[0]
        if kind != TRAIN:
            points[kind].append((manifest.cost.num_tokens, manifest.cost.device_seconds))
        elif manifest.status == "done" and manifest.effort is not None:
            points[kind].append((manifest.effort.flops, manifest.cost.device_seconds))
    return Experience({kind: _fit(found) for kind, found in points.items()}, _search_share(known, look_up))


def _fit(points: list[tuple[float, float]]) -> Line:
    """By least squares, neither part below 0."""
    units, seconds = np.array(points).T
    if np.ptp(units) == 0:
        return Line(float(seconds.mean()), 0.0)
    slope, fixed = np.polyfit(units, seconds, 1)
    if fixed < 0:
        return Line(0.0, float(seconds.sum() / units.sum()))
    return Line(float(fixed), float(slope)) if slope > 0 else Line(float(seconds.mean()), 0.0)


def _search_share(manifests: Iterable[Manifest], look_up: Lookup) -> float:
    """Trainings that differ in seed and in what some space varies alone are of one search, which might have trained every point with every
    seed to the end."""
    searches: dict[str, list[Manifest]] = defaultdict(list)
    identity = functools.cache(functools.partial(_identity, look_up))
    for manifest in manifests:
        if manifest.key.startswith(f"{TRAIN}-"):
            searches[_identity_of(manifest, identity)].append(manifest)
    spent = possible = 0.0
    for trials in searches.values():
        points = {canonical_json({name: trial.spec.get(name) for name in _searched()}) for trial in trials}
        whole = [trial.cost.device_seconds for trial in trials if trial.status == "done"]
        if len(points) > 1 and whole:
            spent += sum(trial.cost.device_seconds for trial in trials)
            possible += len(points) * len({trial.spec["seed"] for trial in trials}) * fmean(whole)
    return min(spent / possible, 1.0) if possible else 1.0


def _identity(look_up: Lookup, key: str) -> str:
    manifest = look_up(key)
    return key if manifest is None else _identity_of(manifest, functools.partial(_identity, look_up))


def _identity_of(manifest: Manifest, identity: Callable[[str], str]) -> str:
    """What is the same of all trainings of a search, the stages that they came from included."""
    left_out = {"seed", "versions", *_searched()}
    spec = {name: value for name, value in manifest.spec.items() if name not in left_out}
    return canonical_json({"spec": spec | {"encoder": None}, "from": [identity(parent) for parent in manifest.parents]})


@functools.cache
def _searched() -> tuple[str, ...]:
    """All hyperparameters that some space varies."""
    return tuple(sorted({name for space in SPACES.names for name in SPACES.load(space)}))
