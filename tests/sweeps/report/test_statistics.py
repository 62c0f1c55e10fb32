"""Intervals cover what they claim to, and Holm's correction is Holm's."""

import numpy as np
import pytest
from scipy.special import ndtr

from sweeps.report.statistics import MAX_BLOCKS, NUM_RESAMPLES, Resampled, draw, estimate, examples_digest, holm, mean, resample_sums

NUM_EXAMPLES = 300
COVERAGE_CLAIM = {
    (3, 0.0): (0.97, 1.0),
    (3, 0.1): (0.935, 0.985),
    (3, 0.3): (0.93, 0.98),
    (5, 0.1): (0.935, 0.985),
    (5, 0.3): (0.93, 0.975),
}
"""Share of 95% intervals that hold the truth, by number of seeds and spread of the seeds (0.1 is about 3 points, 0.3 about 9)."""


@pytest.mark.parametrize(("num_seeds", "seed_spread"), COVERAGE_CLAIM)
def test_intervals_cover_the_truth_as_often_as_claimed(num_seeds: int, seed_spread: float) -> None:
    coverage = np.mean([_holds_truth(num_seeds, seed_spread, seed) for seed in range(500)])
    low, high = COVERAGE_CLAIM[num_seeds, seed_spread]
    assert low <= coverage <= high


def _holds_truth(num_seeds: int, seed_spread: float, simulation: int) -> bool:
    random = np.random.default_rng(simulation)
    difficulty_N = random.normal(size=(NUM_EXAMPLES, 1))

    def answers(ability: float) -> np.ndarray:
        """1 where right, by example and seed."""
        luck_S = random.normal(0, seed_spread, num_seeds)
        return (ability + luck_S + difficulty_N + random.normal(0, 0.3, (NUM_EXAMPLES, num_seeds)) > 0).astype(np.float64)

    gains_NS = answers(0.25) - answers(0.0)
    # The draws do not know the data, so all simulations may share them.
    sums_RS = resample_sums(_DRAW, gains_NS)
    found = estimate(Resampled(gains_NS.mean(axis=0), sums_RS / NUM_EXAMPLES, NUM_EXAMPLES))
    truth = ndtr(0.25 / np.sqrt(1 + 0.3**2 + seed_spread**2)) - 0.5
    return bool(found.low <= truth <= found.high)


_DRAW = draw(examples_digest("en", ["simulated"]), NUM_EXAMPLES)


def test_resampling_three_seeds_alone_would_not_cover() -> None:
    """Why the seed level is parametric."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(2_000, 3))
    picks = random.integers(3, size=(2_000, 3))
    means = scores[:, picks].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert np.mean((low <= 0) & (high >= 0)) < 0.8


def test_one_seed_gives_an_interval_over_examples_alone() -> None:
    random = np.random.default_rng(1)
    is_right_NS = (random.random((NUM_EXAMPLES, 1)) < 0.7).astype(np.float64)
    found = estimate(Resampled(is_right_NS.mean(axis=0), resample_sums(_DRAW, is_right_NS) / NUM_EXAMPLES, NUM_EXAMPLES))
    assert found.num_seeds == 1
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / NUM_EXAMPLES), rel=0.1)


def test_a_wider_spread_of_seeds_gives_a_wider_interval_and_a_larger_p() -> None:
    resampled_RS = np.full((2_000, 3), 0.05) + np.linspace(-0.01, 0.01, 2_000)[:, None]
    tight, wide = (estimate(Resampled(0.05 + spread * np.array([-1.0, 0.0, 1.0]), resampled_RS, 10)) for spread in (0.001, 0.03))
    assert wide.high - wide.low > tight.high - tight.low
    assert tight.p_value < 0.05 < wide.p_value


def test_equal_arms_differ_by_nothing_for_certain() -> None:
    found = estimate(Resampled(np.zeros(3), np.zeros((2_000, 3)), 10))
    assert found[:4] == (0.0, 0.0, 0.0, 1.0)


def test_the_mean_counts_all_examples() -> None:
    part = Resampled(np.array([0.5]), np.full((4, 1), 0.5), 10)
    other = Resampled(np.array([0.7]), np.full((4, 1), 0.7), 30)
    assert mean([part, other]).num_examples == 40
    assert mean([part, other]).measured_S == pytest.approx([0.6])


def test_large_test_sets_are_drawn_in_blocks_with_the_same_spread() -> None:
    num_examples = 4 * MAX_BLOCKS
    values_NK = np.random.default_rng(2).random((num_examples, 1))
    drawn = draw("0" * 64, num_examples)
    assert drawn.weights_RN.shape == (NUM_RESAMPLES, MAX_BLOCKS)
    sums = resample_sums(drawn, values_NK)
    assert sums.std() == pytest.approx(num_examples**0.5 * values_NK.std(), rel=0.1)
    assert sums.mean() == pytest.approx(values_NK.sum(), rel=0.01)


def test_holm_is_step_down_and_monotone() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


def test_draws_depend_on_the_examples_alone() -> None:
    assert examples_digest("en", ["a", "b"]) != examples_digest("de", ["a", "b"])
    assert np.array_equal(draw("ab" * 32, 20).weights_RN, draw("ab" * 32, 20).weights_RN)
    assert not np.array_equal(draw("ab" * 32, 20).weights_RN, draw("cd" * 32, 20).weights_RN)
