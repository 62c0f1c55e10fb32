"""The equivalence test on simulated passes: it covers what it says, finds 5%, accepts a null, and is not fooled by order or outliers."""

import math

import numpy as np
import pytest
from scipy.stats import wilcoxon

from sweeps.report.equivalence import Comparison, block_log_ratios, compare, compare_all

NUM_BLOCKS, NUM_REPETITIONS = 20, 10
MARGIN = 0.02
Passes = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def simulate(random: np.random.Generator, ratio: float) -> Passes:
    """Passes as a busy machine gives them: the clock drifts, noise lasts for a while and has heavy tails, one pass in fifty takes three
    times as long, the second in a turn is 1% faster, and each arm's place in memory is worth 1% for a block."""
    block, repetition, place = (each.reshape(-1) for each in np.indices((NUM_BLOCKS, NUM_REPETITIONS, 2)))
    goes_first = np.stack([random.permutation(np.arange(NUM_REPETITIONS) % 2) for _ in range(NUM_BLOCKS)])
    is_second_arm = (goes_first[block, repetition] + place) % 2 == 1
    memory = random.normal(0, 0.01, (NUM_BLOCKS, 2))
    drift = np.cumsum(random.normal(0, 0.01, len(block)))
    lasting = np.convolve(random.standard_t(3, len(block) + 4), np.full(5, 0.01), "valid")
    log_seconds = drift + lasting + memory[block, is_second_arm.astype(int)] - 0.01 * place + math.log(ratio) * is_second_arm
    outliers = math.log(3) * (random.random(len(block)) < 0.02)
    return block, repetition, is_second_arm, np.exp(log_seconds + outliers) * 0.01


def comparisons(ratio: float, number: int) -> list[Comparison]:
    random = np.random.default_rng(round(1000 * ratio))
    return [compare(block_log_ratios(*simulate(random, ratio)), MARGIN) for _ in range(number)]


@pytest.mark.parametrize("ratio", [1.0, 1.02, 1.05])
def test_intervals_cover_the_true_ratio(ratio: float) -> None:
    found = comparisons(ratio, 2000)
    assert np.mean([each.low <= ratio <= each.high for each in found]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([each.inner_low <= ratio <= each.inner_high for each in found]) == pytest.approx(0.90, abs=0.02)


@pytest.mark.parametrize("ratio", [1 + MARGIN, 1 / (1 + MARGIN)])
def test_at_the_margin_few_are_called_equivalent(ratio: float) -> None:
    """The size of the test: 5% of those that are just too slow or too fast."""
    assert np.mean([each.verdict == "equivalent" for each in comparisons(ratio, 2000)]) <= 0.065


def test_a_null_is_equivalent_and_5_percent_is_different() -> None:
    null, slower = comparisons(1.0, 1000), comparisons(1.05, 1000)
    assert np.mean([each.verdict == "equivalent" for each in null]) > 0.9
    assert np.mean([each.verdict == "different" for each in null]) <= 0.01, "what is equivalent is not called different"
    assert np.mean([each.verdict == "different" for each in slower]) > 0.99
    assert not any(each.verdict == "equivalent" for each in slower)


def test_passes_are_not_independent() -> None:
    """Why blocks are counted: over single passes the interval would be far too narrow."""
    random = np.random.default_rng(5)
    covered = []
    for _ in range(500):
        _, _, is_second, seconds = simulate(random, 1.0)
        ratios = (np.log(seconds.reshape(-1, 2)) * np.where(is_second.reshape(-1, 2), 1, -1)).sum(axis=1)
        centred = ratios - np.where(is_second[1::2], -0.01, 0.01)  # even if the effect of order were known
        found = compare(centred[np.abs(centred) < 0.5], MARGIN)  # and outliers were dropped
        covered.append(found.low <= 1 <= found.high)
    assert np.mean(covered) < 0.9


def test_an_outlier_in_every_block_moves_nothing() -> None:
    block, repetition, is_second, seconds = simulate(np.random.default_rng(1), 1.0)
    before = block_log_ratios(block, repetition, is_second, seconds)
    spoilt = np.where((repetition == 3) & is_second, 50 * seconds, seconds)
    after = block_log_ratios(block, repetition, is_second, spoilt)
    assert np.abs(after - before).max() < 0.1
    assert np.abs(after - before).mean() < 0.03


def test_the_order_of_rows_does_not_matter() -> None:
    passes = simulate(np.random.default_rng(2), 1.03)
    order = np.random.default_rng(3).permutation(len(passes[0]))
    assert (block_log_ratios(*passes) == block_log_ratios(*(column[order] for column in passes))).all()


def test_going_first_is_worth_nothing() -> None:
    block, repetition, place = (each.reshape(-1) for each in np.indices((4, 6, 2)))
    is_second = (repetition + place) % 2 == 1
    seconds = np.where(is_second, 1.1, 1.0) * np.where(place == 0, 1.5, 1.0)
    assert block_log_ratios(block, repetition, is_second, seconds) == pytest.approx(np.full(4, math.log(1.1)))


def test_the_verdict_over_settings_counts_blocks_once() -> None:
    random = np.random.default_rng(4)
    block_effect = random.normal(0, 0.02, 20)
    same = compare_all([block_effect] * 30, MARGIN)
    one = compare(block_effect, MARGIN)
    assert (same.low, same.high) == pytest.approx((one.low, one.high)), "thirty settings that say the same are no more evidence than one"


def test_the_tests_are_those_of_scipy() -> None:
    values = np.random.default_rng(6).normal(0.002, 0.01, 15)
    bound = math.log1p(MARGIN)
    expected = max(
        float(wilcoxon(values - bound, alternative="less", method="exact").pvalue),
        float(wilcoxon(values + bound, alternative="greater", method="exact").pvalue),
    )
    assert compare(values, MARGIN).p_equivalent == pytest.approx(expected)


def test_what_is_not_shown_is_undecided() -> None:
    found = compare(np.array([0.05, -0.06, 0.04, 0.01, -0.03, 0.02, -0.04]), MARGIN)
    assert (found.verdict, found.num_blocks) == ("undecided", 7)
    assert found.low < found.inner_low < found.ratio < found.inner_high < found.high
