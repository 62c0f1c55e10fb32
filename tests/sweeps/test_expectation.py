"""What earlier stages took says what later ones will."""

import random

import pytest

from sweeps.expectation import learn
from tests.sweeps.simulation import make_study, run
from trainables.manifest import Effort, Manifest


def stages(pruning: str, trials: int = 6) -> list[Manifest]:
    """Of a simulated study whose trainings take 10 s and one more for each rung."""
    store: dict[str, Manifest] = {}
    search = {"trials": trials, "replicates": 3, "pruning": pruning, "sampler": "random"}
    run(make_study(targets=["xnli", "pawsx"], search=search), store, random.Random(0))
    found = []
    for manifest in store.values():
        seconds = 10.0 + len(manifest.curve) if manifest.curve else 4.0
        effort = (
            Effort(num_examples=1, num_parameters=1, num_trained=1, flops=1e9 * len(manifest.curve), seconds=1) if manifest.curve else None
        )
        cost = manifest.cost.model_copy(update={"seconds": seconds, "device_seconds": seconds})
        found.append(manifest.model_copy(update={"effort": effort if manifest.curve else None, "cost": cost}))
    return found


def test_a_search_that_prunes_nothing_takes_all_that_it_may() -> None:
    found = stages("none")
    known = {manifest.key: manifest for manifest in found}
    experience = learn(found, "none", known.get)
    assert experience.search_share == pytest.approx(1.0)
    assert experience.lines["evaluate"].at(1) == pytest.approx(4.0)


def test_a_search_that_prunes_takes_as_much_less_as_it_did() -> None:
    found = stages("incumbent")
    known = {manifest.key: manifest for manifest in found}
    assert len(found) < len(stages("none")), "losers did not get all seeds"
    assert 0.3 < learn(found, "none", known.get).search_share < 0.95


def test_stages_of_other_devices_say_nothing() -> None:
    found = stages("none", trials=1)
    assert learn(found, "H100", lambda _key: None) == ({}, 1.0)


def test_time_has_a_fixed_part_and_one_that_grows() -> None:
    found = [manifest for manifest in stages("none", trials=1) if manifest.effort is not None]
    sized = []
    for place, manifest in enumerate(found, 1):
        effort = manifest.effort.model_copy(update={"flops": 1e9 * place}) if manifest.effort else None
        seconds = 3 + 2 * place
        sized.append(
            manifest.model_copy(update={"effort": effort, "cost": manifest.cost.model_copy(update={"device_seconds": float(seconds)})})
        )
    line = learn(sized, "none", lambda _key: None).lines["train"]
    assert (line.fixed_s, 1e9 * line.per_unit_s) == pytest.approx((3.0, 2.0))
    assert sum(line.at(1e9 * place) for place in range(1, len(sized) + 1)) == pytest.approx(
        sum(3 + 2 * place for place in range(1, len(sized) + 1))
    )
