"""Planted laws are found again, with intervals that hold them."""

import numpy as np
import pytest

from sweeps.report.answers.power_law import Law, crossing, draw_scores, exchange_rate, fit
from sweeps.report.statistics import Resampled

SIZES = np.array([16.0, 64.0, 256.0, 1024.0])


def law(num_examples: np.ndarray) -> np.ndarray:
    return 0.9 - 0.8 * num_examples**-0.4


def scored(values: np.ndarray, seed: int, noise: float = 0.01, num_seeds: int = 5) -> list[Resampled]:
    """Scores of several sizes: luck of seeds, and of examples that all sizes share."""
    random = np.random.default_rng(seed)
    examples_R = random.normal(0, noise / 2, size=2000)
    points = []
    for value in values:
        measured_S = value + random.normal(0, noise, size=num_seeds)
        points.append(Resampled(measured_S, measured_S + examples_R[:, None], 600))
    return points


def test_a_law_without_noise_is_found_exactly() -> None:
    found = fit(SIZES, draw_scores(scored(law(SIZES), 0, noise=0.0)))
    assert found.at(100).value == pytest.approx(law(np.array(100.0)), abs=2e-3)
    assert found.exponent_R[0] == pytest.approx(0.4, rel=0.1)


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0, 16.0])
def test_a_planted_exchange_rate_lies_in_its_interval(rate: float) -> None:
    is_synthetic = np.arange(8) >= 4
    hits, values = 0, []
    for seed in range(20):
        points = scored(np.concatenate([law(SIZES), law(SIZES / rate)]), seed)
        found = exchange_rate(np.tile(SIZES, 2), is_synthetic, draw_scores(points))
        hits += found.low <= rate <= found.high
        values.append(found.value)
    assert hits >= 17
    assert np.median(values) == pytest.approx(rate, rel=0.2)


def test_the_more_noise_the_wider_the_interval() -> None:
    is_synthetic = np.arange(8) >= 4
    widths = []
    for noise in (0.005, 0.02):
        found = exchange_rate(np.tile(SIZES, 2), is_synthetic, draw_scores(scored(np.concatenate([law(SIZES), law(SIZES / 4)]), 1, noise)))
        widths.append(found.high / found.low)
    assert widths[0] < widths[1]


def crossing_laws() -> tuple[Law, Law]:
    """Laws that cross where 0.9 - 2/sqrt(n) = 0.6 - 0.2/sqrt(n), but for one resample of five, where they do not between 10 and 1,000."""
    ceilings = np.array([0.9, 0.9, 0.92, 0.88, 0.9, 0.5])
    return Law(ceilings, np.full(6, 2.0), np.full(6, 0.5)), Law(np.full(6, 0.6), np.full(6, 0.2), np.full(6, 0.5))


def test_two_laws_cross_where_they_are_equal() -> None:
    found = crossing(*crossing_laws(), 10, 1000)
    assert found.size is not None
    assert found.size.value == pytest.approx(36, rel=0.02)
    assert found.size.low < 36 < found.size.high
    assert found.share == pytest.approx(0.8)


def test_laws_that_cross_elsewhere_do_not_cross_here() -> None:
    found = crossing(*crossing_laws(), 100, 1000)
    assert found.size is None
    assert found.share == 0


def test_more_examples_never_make_a_law_fall() -> None:
    found = fit(SIZES, draw_scores(scored(0.5 - 0.001 * SIZES / 16, 3)))
    assert found.at(1024).value >= found.at(16).value - 1e-12
