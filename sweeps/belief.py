"""What is believed of the intermediates of one target after some trials: a Gaussian over all of them at all rungs, in points.

The values of an arm at the rungs are one Gaussian vector: rungs correlate. Each rung has an offset of its own, and each replicate of a rung
too, since arms that share a seed share their luck with the order of examples and the first weights of heads; the rest is noise. What is
not known of this is averaged over, weighted by how well it explains the scores.

Legend: `A` arms; `N` observations; `D` = A x R values, the rungs of an arm together, and the R offsets of the rungs; `H` hypotheses.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SIGNALS = (1.0, 3.0, 10.0)
"""Standard deviation of the arms' values at the last rung, in points."""
_LADDERS = ((0.3, 0.7), (0.7, 0.8), (0.93, 1.0))
"""Of neighbouring rungs: the correlation of an arm's values, and how much smaller they are at the lower one."""
_PRIOR_WEIGHTS = (0.0, 0.6)
"""What the transferability scores, with a standard deviation of 1, count for, in units of the signal."""
_NOISES = (0.5, 1.0, 2.5)
"""Standard deviation of a score, in points."""
_SHARED_NOISES = (0.0, 4.0)
"""The same, of what arms with the same seed have in common."""
_OFFSET = 30.0
"""Standard deviation of a rung's offset, in points: next to nothing is known of it."""


class Seen(NamedTuple):
    """A score in points."""

    arm: int
    rung: int
    replicate: int
    score: float


class Belief(NamedTuple):
    """Of one target, after some scores."""

    mean_D: Floats
    covariance_DD: Floats
    noise: float
    """Variance of a score."""
    shared: float
    """Variance of what the scores of a replicate have in common."""
    num_rungs: int

    @property
    def last(self) -> NDArray[np.int64]:
        """The places of the arms' values at the last rung."""
        num_arms = len(self.mean_D) // self.num_rungs - 1
        return np.arange(num_arms) * self.num_rungs + self.num_rungs - 1

    def gains(self, arms: Sequence[int], rung: int, *, is_new: bool) -> Floats:
        """[D, N] a square root of what is learned of everything by trying some arms with one seed, the first of a seed or not."""
        chosen_ND = _observing(np.array(arms), np.full(len(arms), rung), self.num_rungs, len(self.mean_D))
        cross_DN = self.covariance_DD @ chosen_ND.T
        predicted_NN = chosen_ND @ cross_DN + self.noise * np.eye(len(arms)) + self.shared * is_new
        return np.linalg.solve(np.linalg.cholesky(predicted_NN), cross_DN.T).T

    def without(self, gains_DN: Floats) -> "Belief":
        """The belief once that is learned, whatever it is."""
        return self._replace(covariance_DD=self.covariance_DD - gains_DN @ gains_DN.T)


def believe(prior_A: Floats, num_rungs: int, seen: Sequence[Seen]) -> Belief:
    """The belief about one target; `prior_A` has mean 0 and standard deviation 1, or zeros."""
    arm_N, rung_N, replicate_N = np.array([each[:3] for each in seen], dtype=np.int64).reshape(-1, 3).T
    score_N = np.array([each.score for each in seen])
    mean_HD, covariance_HDD, noise_H, shared_H = _hypotheses(prior_A, num_rungs)
    mean_HD[:, -num_rungs:] = score_N.mean() if len(seen) else 0.0
    seen_ND = _observing(arm_N, rung_N, num_rungs, mean_HD.shape[1])
    same_seed_NN = (rung_N[:, None] == rung_N) & (replicate_N[:, None] == replicate_N)
    cross_HDN = covariance_HDD @ seen_ND.T
    predicted_HNN = seen_ND @ cross_HDN + noise_H[:, None, None] * np.eye(len(seen)) + shared_H[:, None, None] * same_seed_NN
    residuals_HN1 = (score_N - mean_HD @ seen_ND.T)[:, :, None]
    weights_HDN = np.linalg.solve(predicted_HNN, cross_HDN.swapaxes(1, 2)).swapaxes(1, 2)
    fits_H = (residuals_HN1 * np.linalg.solve(predicted_HNN, residuals_HN1)).sum((1, 2))
    evidence_H = -0.5 * (fits_H + np.linalg.slogdet(predicted_HNN).logabsdet)
    share_H = np.exp(evidence_H - evidence_H.max())
    share_H /= share_H.sum()
    means_HD = mean_HD + (weights_HDN @ residuals_HN1)[:, :, 0]
    mean_D = share_H @ means_HD
    within_DD = np.tensordot(share_H, covariance_HDD - weights_HDN @ cross_HDN.swapaxes(1, 2), 1)
    between_DD = (means_HD - mean_D).T @ (share_H[:, None] * (means_HD - mean_D))
    return Belief(mean_D, within_DD + between_DD, float(share_H @ noise_H), float(share_H @ shared_H), num_rungs)


def _observing(arm_N: NDArray[np.int64], rung_N: NDArray[np.int64], num_rungs: int, size: int) -> Floats:
    """[N, D] each observation is a value and the offset of its rung."""
    return np.eye(size)[arm_N * num_rungs + rung_N] + np.eye(size)[size - num_rungs + rung_N]


def _hypotheses(prior_A: Floats, num_rungs: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Before any score: means [H, D], covariances [H, D, D], variances of a score and of what a replicate has in common [H]."""
    num_values = len(prior_A) * num_rungs
    arms, rungs = np.repeat(np.arange(len(prior_A)), num_rungs), np.tile(np.arange(num_rungs), len(prior_A))
    same_arm, apart = arms[:, None] == arms, np.abs(rungs[:, None] - rungs)
    weights = _PRIOR_WEIGHTS if prior_A.any() else (0.0,)
    found = []
    for signal, ladder, weight, noise, shared in itertools.product(_SIGNALS, _LADDERS, weights, _NOISES, _SHARED_NOISES):
        correlation, shrinkage = ladder
        sizes = signal * shrinkage ** (num_rungs - 1 - rungs)
        mean_D, covariance_DD = np.zeros(num_values + num_rungs), _OFFSET**2 * np.eye(num_values + num_rungs)
        mean_D[:num_values] = weight * sizes * prior_A[arms]
        covariance_DD[:num_values, :num_values] = np.outer(sizes, sizes) * same_arm * correlation**apart
        found.append((mean_D, covariance_DD, noise**2, shared**2))
    mean_HD, covariance_HDD, noise_H, shared_H = (np.array(each) for each in zip(*found, strict=True))
    return mean_HD, covariance_HDD, noise_H, shared_H
