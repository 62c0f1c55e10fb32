"""Score as a power law of the number of examples, s(n) = c - a n^-b, fitted to every resample, so that all that follows has an interval.

For a given exponent the law is linear in c and a: the exponent is searched on a grid, the rest is least squares. Synthetic data are
compared with human data by one number more: n of them are taken to be worth n / k human ones, on the same law.

Legend: `R` resamples, `P` points (a size of one source), `B` exponents, `K` exchange rates, `N` sizes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweeps.report.statistics import CONFIDENCE, Resampled

Floats = NDArray[np.float64]

EXPONENTS_B = np.geomspace(0.05, 2.0, 40)
EXCHANGE_RATES_K = 2.0 ** np.arange(-4, 10.01, 0.125)
"""Between 1/16 and 1,024 synthetic examples for one human example."""

NUM_FITS = 500
"""Resamples that are fitted."""

NUM_SIZES = 400
"""Between which a crossing is looked for."""

TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


class Interval(NamedTuple):
    """A fitted number with its 95% interval."""

    value: float
    low: float
    high: float


class Crossing(NamedTuple):
    """A size from which on the better of two sources is the other one."""

    size: Interval | None
    """None if what was measured has no such size; the interval is over the resamples that have one."""
    share: float
    """Of the resamples that have one."""


class Law(NamedTuple):
    """A fit to every resample; the first entry is the fit to what was measured."""

    ceiling_R: Floats
    scale_R: Floats
    exponent_R: Floats

    def at(self, num_examples: float) -> Interval:
        """The fitted score at a size."""
        return interval_of(self.ceiling_R - self.scale_R * num_examples**-self.exponent_R)


def draw_scores(points: Sequence[Resampled], seed: int = 0) -> Floats:
    """[R + 1, P] scores of several trainings: measured, then resampled over examples (together) and seeds (each by itself)."""
    from scipy.special import stdtrit  # a third of a second, which a command that reports nothing should not pay

    random = np.random.default_rng(seed)
    drawn = []
    for point in points:
        means_R = point.resampled_RS.mean(axis=1)[:NUM_FITS]
        num_seeds = len(point.measured_S)
        if num_seeds > 1:
            quantiles_R = random.permutation((np.arange(len(means_R)) + 0.5) / len(means_R))
            means_R = means_R + point.measured_S.std(ddof=1) / num_seeds**0.5 * stdtrit(num_seeds - 1, quantiles_R)
        drawn.append(np.concatenate([[point.measured_S.mean()], means_R]))
    return np.stack(drawn, axis=1)


def fit(sizes_P: Floats, scores_RP: Floats) -> Law:
    """The law of one source."""
    features_BP = sizes_P[None, :] ** -EXPONENTS_B[:, None]
    errors_RB, ceilings_RB, slopes_RB = _lines(features_BP, scores_RP)
    best_R = errors_RB.argmin(axis=1)
    rows = np.arange(len(scores_RP))
    return Law(ceilings_RB[rows, best_R], -slopes_RB[rows, best_R], EXPONENTS_B[best_R])


def exchange_rate(sizes_P: Floats, is_synthetic_P: NDArray[np.bool_], scores_RP: Floats) -> Interval:
    """How many synthetic examples are worth one human example, if both follow one law."""
    best_error_R = np.full(len(scores_RP), np.inf)
    best_R = np.ones(len(scores_RP))
    for rate in EXCHANGE_RATES_K:
        worth_P = np.where(is_synthetic_P, sizes_P / rate, sizes_P)
        error_R = _lines(worth_P[None, :] ** -EXPONENTS_B[:, None], scores_RP)[0].min(axis=1)
        is_better_R = error_R < best_error_R
        best_error_R[is_better_R] = error_R[is_better_R]
        best_R[is_better_R] = rate
    return interval_of(best_R)


def crossing(human: Law, synthetic: Law, smallest: float, largest: float) -> Crossing:
    """Where, between two sizes, the better source becomes the other one; both laws are fits to the same resamples."""
    sizes_N = np.geomspace(smallest, largest, NUM_SIZES)
    ahead_RN = _scores(human, sizes_N) - _scores(synthetic, sizes_N)
    changes_RN = np.diff(np.sign(ahead_RN), axis=1) != 0
    crosses_R = changes_RN.any(axis=1)
    sizes_R = sizes_N[1 + changes_RN.argmax(axis=1)]
    found = sizes_R[1:][crosses_R[1:]]
    low, high = np.quantile(found, TAILS) if len(found) else (np.nan, np.nan)
    where = Interval(float(sizes_R[0]), float(low), float(high)) if crosses_R[0] else None
    return Crossing(where, float(crosses_R[1:].mean()))


def interval_of(values_R: Floats) -> Interval:
    """The first value, with the central 95% of the others."""
    low, high = np.quantile(values_R[1:], TAILS)
    return Interval(float(values_R[0]), float(low), float(high))


def _scores(law: Law, sizes_N: Floats) -> Floats:
    """[R, N]"""
    return law.ceiling_R[:, None] - law.scale_R[:, None] * sizes_N ** -law.exponent_R[:, None]


def _lines(features_BP: Floats, scores_RP: Floats) -> tuple[Floats, Floats, Floats]:
    """Least squares of every resample on every feature: summed squared errors, intercepts and slopes, [R, B] each.

    A slope is at most zero: more examples never make a law fall.
    """
    centred_BP = features_BP - features_BP.mean(axis=1, keepdims=True)
    spread_B = np.square(centred_BP).sum(axis=1)
    slopes_RB = np.minimum(scores_RP @ centred_BP.T / spread_B, 0.0)
    ceilings_RB = scores_RP.mean(axis=1, keepdims=True) - slopes_RB * features_BP.mean(axis=1)
    total_R1 = np.square(scores_RP - scores_RP.mean(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    covariance_RB = scores_RP @ centred_BP.T
    errors_RB = total_R1 - 2 * slopes_RB * covariance_RB + slopes_RB**2 * spread_B
    return errors_RB, ceilings_RB, slopes_RB
