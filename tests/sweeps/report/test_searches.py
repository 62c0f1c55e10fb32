"""The search's figures: planted hyperparameters that matter and do not, and lines that lie where their points do."""

import numpy as np
import pytest

from sweeps.report.importance import importances
from sweeps.report.parallel import BOTTOM, TOP, draw
from sweeps.report.searches import Search, SearchedPoint, Searches, Status
from sweeps.results import PairId

RATES = (1e-5, 2e-5, 4e-5, 8e-5, 1.6e-4)


def searches(effect: float, num_searches: int = 6, seed: int = 0, status: Status = "") -> Searches:
    """Dev scores have their optimum at the middle learning rate; the batch size does nothing, the search itself much."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(num_searches):
        scores = {
            (rate, batch): 0.5 + 0.05 * number - effect * (place - 2) ** 2 + rng.normal(0, 0.01)
            for place, rate in enumerate(RATES)
            for batch in (16, 32)
        }
        points = [
            SearchedPoint({"learning_rate": rate, "batch_size": batch}, (float(score),), status) for (rate, batch), score in scores.items()
        ]
        best = max(points, key=lambda point: point.mean or 0.0)
        pair = PairId("toy", f"task{number}", "base", "xnli")
        found.append(Search(pair, tuple(point._replace(status="selected") if point is best else point for point in points)))
    return Searches("xnli · toy", tuple(found))


def test_an_optimum_in_the_middle_counts_and_a_search_s_own_level_does_not() -> None:
    rate, batch = importances(searches(effect=0.05))
    assert (rate.name, batch.name) == ("learning_rate", "batch_size")
    assert rate.low > 0.5
    assert rate.low < rate.share < rate.high
    assert abs(batch.share) < 0.05
    assert (rate.num_points, rate.num_searches) == (60, 6)


def test_what_does_nothing_is_covered_by_its_interval() -> None:
    covered = [one.low <= 0 <= one.high for seed in range(100) for one in importances(searches(effect=0.0, seed=seed))]
    assert np.mean(covered) > 0.9


@pytest.mark.parametrize("found", [searches(0.05, num_searches=2), searches(0.05, status="pruned"), Searches("none", ())])
def test_too_little_has_no_importance(found: Searches) -> None:
    assert importances(found) == ()


def test_a_hyperparameter_of_one_value_has_none_and_words_are_levels() -> None:
    def renamed(point: SearchedPoint) -> SearchedPoint:
        return point._replace(point={"learning_rate": 1e-5, "schedule": "high" if point.point["learning_rate"] == RATES[2] else "low"})

    found = searches(0.05)
    words = tuple(search._replace(points=tuple(map(renamed, search.points))) for search in found.searches)
    (schedule,) = importances(found._replace(searches=words))
    assert schedule.name == "schedule"
    assert schedule.low > 0.2


def test_lines_lie_where_their_points_do() -> None:
    figure = draw(searches(0.05))
    assert figure is not None
    assert [axis.name for axis in figure.axes] == ["learning_rate", "batch_size", "dev score"]
    assert [[tick.label for tick in axis.ticks] for axis in figure.axes][:2] == [["0.00016", "1e-05"], ["32", "16"]]
    assert len(figure.lines) == 60
    assert figure.statuses.count("selected") == 6
    heights = [[round(y, 3) for _, y in line.places] for line in figure.lines]
    assert {line[0] for line in heights} == {BOTTOM - (BOTTOM - TOP) * share for share in (0.0, 0.25, 0.5, 0.75, 1.0)}, "logarithms"
    assert min(line[2] for line in heights) == TOP
    assert "task0, learning_rate 1e-05, batch_size 16: dev score" in figure.lines[0].title


def test_nothing_is_drawn_of_a_study_that_searches_nothing() -> None:
    pair = PairId("toy", "mnli", "base", "xnli")
    only = Search(pair, (SearchedPoint({}, (0.5,), "selected"),))
    unscored = Search(pair, (SearchedPoint({"learning_rate": 1e-5}, (), ""),))
    assert draw(Searches("a", (only,))) is None
    assert draw(Searches("b", (unscored,))) is None
