"""What is trained when."""

import numpy as np
import pytest

from tests.trainables.toy_training import toy_spec
from trainables.schedule import count_steps, draw_turns, draw_units, space_evals, warm_up_and_decay


def test_every_epoch_sees_every_unit_once() -> None:
    epochs = np.concatenate([draw_units(3, 0, 10, 4, place) for place in range(5)]).reshape(2, 10)
    assert [sorted(epoch.tolist()) for epoch in epochs] == [list(range(10))] * 2
    assert (epochs[0] != epochs[1]).any()
    assert draw_units(3, 0, 3, 8, 0).shape == (8,)


def test_turns_follow_the_sampler() -> None:
    spec = toy_spec("classification", "tagging")
    num_units, shares = [300, 100], {}
    for sampler in ("proportional", "uniform"):
        turns = draw_turns(toy_spec("classification", "tagging", sampler=sampler), num_units, 2000)
        shares[sampler] = np.mean([turn.entry == 0 for turn in turns])
        for entry in (0, 1):
            assert [turn.place for turn in turns if turn.entry == entry] == list(range(sum(turn.entry == entry for turn in turns)))
    assert shares == {"proportional": pytest.approx(0.75, abs=0.03), "uniform": pytest.approx(0.5, abs=0.03)}
    assert draw_turns(spec, num_units, 50) == draw_turns(spec, num_units, 2000)[:50]


def test_steps_evals_and_schedule() -> None:
    assert count_steps(toy_spec("tagging", epochs=3.0, steps=None, batch_size=32), [100]) == 10
    assert count_steps(toy_spec("tagging", "mlm", epochs=0.1, steps=None, batch_size=1), [30, 8]) == 4
    assert space_evals(10, 4) == (3, 5, 8, 10)
    assert space_evals(2, 5) == (1, 2)
    assert space_evals(10, 0) == ()
    factors = [warm_up_and_decay(step, 10, 0.2) for step in range(10)]
    assert factors == [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
