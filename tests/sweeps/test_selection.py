"""The policy of a selection on made grids: within its budget, nothing twice, and the planted best arm is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.belief import Seen, believe
from sweeps.selection import Ask, Costs, Selector

NUM_REPLICATES = 3
SHARES = (1 / 16, 1 / 4, 1.0)


def make_costs(num_arms: int, num_targets: int) -> Costs:
    encoder = np.outer([0.0, *[8.0] * (num_arms - 1)], SHARES)
    return Costs(encoder, np.outer([3.0] * num_targets, np.sqrt(SHARES)), np.full(num_targets, True))


def full_cost(costs: Costs) -> float:
    own = costs.encoder_AR[:, -1].sum() + len(costs.encoder_AR) * costs.target_TR[:, -1].sum()
    return float(NUM_REPLICATES * own)


def make_scores(truth_AT: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    """[A, T, R, S]: the lower rungs show less of an arm's value, each with an offset of its own."""
    draw = np.random.default_rng(seed)
    rungs = np.stack([share**0.25 * truth_AT + 10 * share for share in SHARES], -1)
    return rungs[..., None] + noise * draw.standard_normal((*rungs.shape, NUM_REPLICATES))


def play(selector: Selector, scores_ATRS: np.ndarray) -> list[tuple[Ask, ...]]:
    rounds = []
    while asks := selector.ask():
        rounds.append(asks)
        selector.tell([scores_ATRS[ask] for ask in asks])
    return rounds


@settings(max_examples=30)
@given(
    num_arms=st.integers(2, 8),
    num_targets=st.integers(1, 4),
    share=st.floats(0.05, 1.0),
    noise=st.sampled_from([0.0, 0.5, 5.0]),
    seed=st.integers(0, 1000),
)
def test_the_budget_is_kept_and_nothing_is_asked_twice(num_arms, num_targets, share, noise, seed):
    costs = make_costs(num_arms, num_targets)
    budget = share * full_cost(costs)
    selector = Selector(costs, budget, NUM_REPLICATES)
    truth = 3 * np.random.default_rng(seed).standard_normal((num_arms, num_targets))
    asked = [ask for asks in play(selector, make_scores(truth, noise, seed)) for ask in asks]
    assert len(asked) == len(set(asked))
    assert costs.of(asked) == pytest.approx(selector.spent)
    assert selector.spent <= budget * (1 + 1e-9)
    if budget >= costs.least:
        assert asked


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_best_arm_of_each_target_is_found(seed):
    truth = np.zeros((9, 4))
    for target in range(4):
        truth[2 * target + 1, target] = 8.0
    costs = make_costs(9, 4)
    selector = Selector(costs, 0.25 * full_cost(costs), NUM_REPLICATES)
    play(selector, make_scores(truth, 1.0, seed))
    for target in range(4):
        best, *_ = selector.standings(target)
        assert best.arm == 2 * target + 1
        assert abs(best.gain - 8.0) < 3 * best.deviation + 1.0
        assert best.is_best == max(standing.is_best for standing in selector.standings(target))


def test_what_is_believed_says_how_little_is_known():
    """Where all arms are equal, no gain is claimed and the probabilities are spread."""
    costs = make_costs(9, 1)
    covered = []
    for seed in range(20):
        selector = Selector(costs, 0.3 * full_cost(costs), NUM_REPLICATES)
        play(selector, make_scores(np.zeros((9, 1)), 1.0, seed))
        standings = selector.standings(0)
        assert standings[0].is_best < 0.9
        covered += [abs(standing.gain) <= 1.96 * standing.deviation for standing in standings if standing.arm != 0]
    assert np.mean(covered) > 0.9


def test_survivors_get_more_than_the_others():
    truth = np.zeros((9, 1))
    truth[[3, 4], 0] = 9.0, 8.5
    costs = make_costs(9, 1)
    selector = Selector(costs, 0.3 * full_cost(costs), NUM_REPLICATES)
    rounds = play(selector, make_scores(truth, 0.7))
    assert {ask.arm for ask in rounds[0]} == set(range(9)), "all arms at first"
    assert {ask.replicate for ask in rounds[0]} == {0}
    later = [ask.arm for asks in rounds[1:] for ask in asks]
    assert min(later.count(3), later.count(4)) > max(later.count(arm) for arm in range(9) if arm not in (3, 4))


def test_the_same_scores_lead_to_the_same_trials():
    truth = np.random.default_rng(1).standard_normal((6, 3))
    costs = make_costs(6, 3)
    once, again = (play(Selector(costs, 0.4 * full_cost(costs), NUM_REPLICATES), make_scores(truth, 0.5)) for _ in range(2))
    assert once == again


def test_a_prior_says_who_is_tried_when_not_all_can_be():
    costs = make_costs(9, 2)
    prior = np.zeros((9, 2))
    prior[7] = 2.0
    selector = Selector(costs, 1.01 * costs.least, NUM_REPLICATES)
    selector.inform(prior)
    assert 7 in {ask.arm for ask in selector.ask()}


def test_an_encoder_is_paid_for_once():
    costs = make_costs(3, 2)
    both = [Ask(1, 0, 2, 0), Ask(1, 1, 2, 0)]
    assert costs.of(both) == 8.0 + 2 * 3.0
    assert costs.of(both, frozenset({(1, 2, 0)})) == 2 * 3.0


def test_luck_that_arms_with_a_seed_share_tells_nothing_of_them():
    """Arms 1 and 2 were tried with a lucky seed, arm 0 with another: within a seed there is no difference."""
    seen = [
        Seen(arm, 0, replicate, 50.0 + 8.0 * replicate) for replicate in range(2) for arm in ((0, 3, 4) if replicate == 0 else (1, 2, 3))
    ]
    belief = believe(np.zeros(5), 1, seen)
    assert np.ptp(belief.mean_D[:5]) < 1.0


def test_an_arm_alone_at_a_rung_teaches_nothing_and_two_do():
    belief = believe(np.zeros(3), 2, [])
    alone, both = belief.gains([0], 1, is_new=True), belief.gains([0, 1], 1, is_new=True)
    differences = np.array([[1.0, -1.0, 0.0]])
    assert np.abs(differences @ alone[belief.last]).sum() < 0.3 * np.abs(differences @ both[belief.last]).sum()
    assert np.all(np.linalg.eigvalsh(belief.without(both).covariance_DD) > -1e-9)


def test_a_baseline_that_trains_nothing_is_scored_once():
    costs = make_costs(4, 2)._replace(trains_T=np.array([True, False]))
    selector = Selector(costs, full_cost(costs), NUM_REPLICATES)
    rounds = play(selector, make_scores(np.random.default_rng(0).standard_normal((4, 2)), 0.5))
    assert len([ask for asks in rounds for ask in asks if ask.arm == 0 and ask.target == 1]) == 1
    assert len([ask for asks in rounds for ask in asks if ask.arm == 0 and ask.target == 0]) > 1
