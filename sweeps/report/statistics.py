"""What a score or a difference is worth: an interval over examples and seeds, and p-values for a whole matrix.

Two things vary. Test examples are resampled with replacement, within each language, with the same draw for every encoder that was
scored on them: that is what pairs two arms. Seeds are few (3 is the custom), and resampling them cannot work: the mean of n
resampled seeds varies too little by (n - 1) / n, and has only 10 distinct values for n = 3. So the seed level is parametric: a
resampled value is the mean over the seeds on the resampled examples, plus s / sqrt(n) times a Student t with n - 1 degrees of
freedom, where s is the standard deviation over seeds. The interval is between the 2.5th and the 97.5th percentile of 2,000 of these.

Coverage of the nominal 95%, in 2,000 simulated comparisons each (300 examples, 3 or 5 seeds): 95% to 96% where the seeds' spread is
as large as the examples' or larger, 98% to nearly 100% where it is smaller: what two seeds disagree on by example is then counted at
both levels. Resampling 3 seeds instead covers as little as 76%. `tests/sweeps/report/test_statistics.py` holds it to that.
With one seed the interval covers examples alone.

Legend: `R` resamples, `N` examples (or blocks of them), `S` seeds, `K` a metric's columns.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUM_RESAMPLES = 2_000
CONFIDENCE = 0.95
MAX_BLOCKS = 1_000
"""Larger test sets are resampled in this many random blocks of examples: the same variance, at a bounded cost."""


class Estimate(NamedTuple):
    """A number with its 95% interval."""

    value: float
    low: float
    high: float
    p_value: float
    """Two-sided, that the true value is zero; meant for differences. Normal for examples, t for seeds (Satterthwaite)."""
    num_seeds: int
    num_examples: int


class Resampled(NamedTuple):
    """A score (or a difference of two) per seed: as measured, and on every resample of the examples."""

    measured_S: Floats
    resampled_RS: Floats
    num_examples: int

    def of_seeds(self, rows: Sequence[int]) -> "Resampled":
        """The seeds at these places; a place may be named more than once."""
        return Resampled(self.measured_S[list(rows)], self.resampled_RS[:, list(rows)], self.num_examples)

    def minus(self, other: "Resampled") -> "Resampled":
        """The difference, seed by seed; counts our examples, which are the other's too where arms are paired."""
        return Resampled(self.measured_S - other.measured_S, self.resampled_RS - other.resampled_RS, self.num_examples)


def mean(parts: Sequence[Resampled]) -> Resampled:
    """The plain mean of scores on different examples, such as those of several languages."""
    measured_S = np.mean([part.measured_S for part in parts], axis=0)
    resampled_RS = np.mean([part.resampled_RS for part in parts], axis=0)
    return Resampled(measured_S, resampled_RS, sum(part.num_examples for part in parts))


def estimate(resampled: Resampled) -> Estimate:
    """The mean over the seeds, its interval, and the p-value that it is zero."""
    num_seeds = len(resampled.measured_S)
    means_R = resampled.resampled_RS.mean(axis=1)
    seed_error = float(resampled.measured_S.std(ddof=1)) / num_seeds**0.5 if num_seeds > 1 else 0.0
    if seed_error > 0:
        from scipy.special import stdtrit  # a third of a second, which a command that reports nothing should not pay

        # Evenly spaced quantiles of t rather than draws: the examples' draws are random already.
        means_R = means_R + seed_error * stdtrit(num_seeds - 1, (np.arange(len(means_R)) + 0.5) / len(means_R))
    low, high = np.quantile(means_R, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    value = float(resampled.measured_S.mean())
    example_variance = float(resampled.resampled_RS.mean(axis=1).var())
    p_value = _p_value(value, seed_error**2, num_seeds, example_variance)
    return Estimate(value, float(low), float(high), p_value, num_seeds, resampled.num_examples)


def estimate_score(resampled: Resampled) -> Estimate:
    """As `estimate`, of what lies between 0 and 1: the interval ends there, and covers the true value as often."""
    found = estimate(resampled)
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def _p_value(value: float, seed_variance: float, num_seeds: int, example_variance: float) -> float:
    variance = seed_variance + example_variance
    if variance == 0:
        return 1.0 if value == 0 else 0.0
    from scipy.special import stdtr  # as in `estimate`

    degrees = (num_seeds - 1) * (variance / seed_variance) ** 2 if seed_variance > 0 else np.inf
    return float(2 * stdtr(min(degrees, 1e9), -abs(value) / variance**0.5))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment (1979): below 0.05 with a chance of at most 5% that any true null is among them."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(order) else scaled
    return tuple(adjusted.tolist())


class Draw(NamedTuple):
    """The resamples of one list of examples."""

    block_N: NDArray[np.int64]
    """The block of each example."""
    weights_RN: Floats
    """How often each block is drawn."""


def examples_digest(language: str, example_ids: Sequence[str]) -> str:
    """Equal for equal lists of examples, in the same order."""
    return hashlib.sha256("\x1f".join((language, *example_ids)).encode()).hexdigest()


def draw(digest: str, num_examples: int) -> Draw:
    """The resamples of the examples with this digest: a function of the digest, so any two arms scored on them are paired."""
    random = np.random.default_rng(int(digest[:16], 16))
    num_blocks = min(num_examples, MAX_BLOCKS)
    block_N = random.permutation(num_examples) % num_blocks
    drawn = random.integers(num_blocks, size=(NUM_RESAMPLES, num_blocks)) + num_blocks * np.arange(NUM_RESAMPLES)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=NUM_RESAMPLES * num_blocks)
    return Draw(block_N, counts.reshape(NUM_RESAMPLES, num_blocks).astype(np.float64))


def resample_sums(draw: Draw, statistics_NK: Floats) -> Floats:
    """[R, K] the sum of each statistic over every resample."""
    blocks_NK = np.zeros((draw.weights_RN.shape[1], statistics_NK.shape[1]))
    np.add.at(blocks_NK, draw.block_N, statistics_NK)
    # Not `@`: on a machine busy with other things BLAS threads wait for each other, which was measured to take 6 times as long.
    return np.stack([np.einsum("rn,n->r", draw.weights_RN, column_N) for column_N in np.ascontiguousarray(blocks_NK.T)], axis=1)
