"""The search of one pair, told made-up results: it asks for as many points as it should, and ends."""

import pytest

from sweeps.search import PairSearch, Told
from sweeps.study import Search


def searched(settings: Search, name: str = "pair") -> PairSearch:
    """A search that went to its end; a point is the better the lower its rate."""
    search = PairSearch(settings, 0, name)
    while points := search.ask():
        scores = [1 - float(point["learning_rate"]) for point in points]
        search.tell([Told(point, ((score,),), (score,), is_pruned=False) for point, score in zip(points, scores, strict=True)])
    return search


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.parametrize(
    ("sampler", "space", "num_points"), [("tpe", "pocket", 3), ("random", "pocket", 3), ("grid", "small_encoder_one_rate", 1)]
)
def test_a_search_asks_for_its_points_and_ends(sampler, space, num_points, parallel):
    search = searched(Search.model_validate({"space": space, "sampler": sampler, "trials": 3, "parallel": parallel}))
    assert len(search.told) == num_points
    assert len({told.point["learning_rate"] for told in search.told}) == num_points
    assert search.best() == min(search.told, key=lambda told: told.point["learning_rate"])
    assert search.ask() == ()


def test_searches_of_one_name_ask_for_the_same_points():
    settings = Search(space="pocket", trials=3)
    assert [told.point for told in searched(settings).told] == [told.point for told in searched(settings).told]
    assert searched(settings).told[0].point != searched(settings, "another").told[0].point
