"""Learning curves stay inside their box, at round ticks."""

from pathlib import Path

import pytest
from toy_study import Toy, toy_study

from sweeps.report.curves import HEIGHT, WIDTH, target_curves
from trainables.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"), tmp_path / "cache")


def test_a_figure_for_each_target_that_is_trained_on(store: Store) -> None:
    toy = Toy({"mnli": 0.1}, {"xnli": "accuracy", "tatoeba": "accuracy"}, num_examples=10)
    figures = target_curves(toy_study(store, toy))
    assert [figure.title for figure in figures] == ["xnli · toy-encoder"]
    assert figures[0].intermediates == ("none", "mnli")
    assert len(figures[0].lines) == 2 * len(toy.seeds)
    assert [tick.label for tick in figures[0].x_ticks] == ["0", "0.5", "1", "1.5", "2"]
    for line in figures[0].lines:
        for point in line.path.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_all_trainings_are_drawn_while_the_search_goes_on(store: Store) -> None:
    toy = Toy({}, {"xnli": "accuracy"}, num_examples=10)
    result = toy_study(store, toy)
    going = result._replace(pairs=tuple(found._replace(selected=None, evaluations=()) for found in result.pairs))
    assert len(target_curves(going)[0].lines) == len(result.pairs[0].trials)
