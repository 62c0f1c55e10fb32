"""Chooses an intermediate for every target within a budget: what to try next, and what is believed of the arms.

After a first round with all arms, each round tries what promises most for its cost: how much better a choice is expected to be (the
knowledge gradient of Frazier, Powell and Dayanik 2009, here of groups of trials), over the cost of what is not trained yet.

Legend: `A` arms, the baseline first; `T` targets; `R` rungs, the study's own last; `N` trials of a group, `K` draws, `D` as in
`sweeps.belief`.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweeps.belief import Belief, Floats, Seen, believe

_FIRST_ROUND = 0.7
"""Of the budget, at most, for all arms at some rung, the prior included."""
_NUM_ROUNDS = 5
"""Each has an equal part of what is left."""
_NEGLIGIBLE = 1e-3
"""Points: what promises less is not tried."""
_SIZES = (1, 2, 4, 16)
"""Arms of a target that are tried together: alone, an arm cannot be told from what its seed or its rung does to all."""
_DRAWS_KN = np.random.default_rng(0).standard_normal((256, max(_SIZES)))
"""Fixed, so that the same scores lead to the same trials."""


class Ask(NamedTuple):
    """One trial of a selection: an arm for a target, as places in the selection's lists."""

    arm: int
    target: int
    rung: int
    replicate: int


class Costs(NamedTuple):
    """What trials cost, in any unit; an encoder that was trained serves every target."""

    encoder_AR: Floats
    """An arm's intermediate training; zero for the baseline."""
    target_TR: Floats
    """A target's training and evaluation."""
    trains_T: NDArray[np.bool_]
    """Whether a target trains anything. Of one that does not, the baseline is one stage, whatever the rung and the seed."""

    def of(self, asks: Sequence[Ask], trained: frozenset[tuple[int, int, int]] = frozenset()) -> float:
        """The cost of some trials, where the encoders `trained` (arm, rung, replicate) are there."""
        encoders = {(ask.arm, ask.rung, ask.replicate) for ask in asks} - trained
        own = sum(float(self.target_TR[ask.target, ask.rung]) for ask in asks)
        return own + sum(float(self.encoder_AR[arm, rung]) for arm, rung, _ in encoders)

    @property
    def least(self) -> float:
        """The budget under which not even the baseline and one intermediate can be tried for all targets."""
        return 2 * float(self.target_TR[:, 0].sum()) + float(self.encoder_AR[1:, 0].min())


MOST_FOR_PRIOR = 0.4
"""Of the budget, for transferability scores and the encoders that they look at; trials of the same rung find these encoders there."""


def has_room(costs: Costs, prior_cost: float, budget: float) -> bool:
    """Whether a budget has room for a prior."""
    return prior_cost <= min(MOST_FOR_PRIOR * budget, budget - costs.least)


class Standing(NamedTuple):
    """What is believed of an arm for a target at the last rung."""

    arm: int
    gain: float
    """Over the baseline, in the unit of the scores."""
    deviation: float
    """Of the gain, over what is not known of it."""
    is_best: float
    """The probability that no other arm is better."""


class Selector:
    """Asks for trials until the budget is spent; the same scores always lead to the same trials."""

    def __init__(
        self,
        costs: Costs,
        budget: float,
        num_replicates: int,
        *,
        spent: float = 0.0,
        trained: frozenset[tuple[int, int, int]] = frozenset(),
    ) -> None:
        """`spent` went, before the first round, into the encoders `trained` (arm, rung, replicate) and what was measured of them."""
        self._costs = costs
        self._budget = budget
        self._num_replicates = num_replicates
        self._num_arms, self._num_rungs = costs.encoder_AR.shape
        self._num_targets = len(costs.target_TR)
        self._prior_AT = np.zeros((self._num_arms, self._num_targets))
        self.asked: list[Ask] = []
        self.scores: list[float] = []
        self.spent = spent
        self._before = trained
        self._same: set[Ask] = set()
        """Trials whose only stage is one that was asked for."""
        self._num_rounds = 0

    def inform(self, prior_AT: Floats) -> None:
        """Transferability scores, for each target of mean 0 and standard deviation 1, or zeros; before the first round."""
        assert not self.asked, "a prior comes first"
        self._prior_AT = prior_AT

    def ask(self) -> tuple[Ask, ...]:
        """The trials of the next round; empty when nothing that is worth its cost fits the budget."""
        asks = (self._everyone() if not self.asked else []) or self._round()
        self.spent += self._costs.of(asks, self._trained())
        self.asked += asks
        self._num_rounds += 1
        return tuple(asks)

    def tell(self, scores: Sequence[float]) -> None:
        """What the trials of the round scored, in its order."""
        assert len(self.scores) + len(scores) == len(self.asked), "every trial has a score"
        self.scores += scores
        told = list(zip(self.asked[-len(scores) :], scores, strict=True)) if scores else []
        for ask, score in told:
            if ask.arm == 0 and not self._costs.trains_T[ask.target]:
                self._echo(ask, score)

    def standings(self, target: int) -> tuple[Standing, ...]:
        """All arms, the best first."""
        belief = self._belief(target)
        mean_A, covariance_AA = belief.mean_D[belief.last], belief.covariance_DD[np.ix_(belief.last, belief.last)]
        draws = np.random.default_rng(0).multivariate_normal(mean_A, covariance_AA, size=4000, method="eigh")
        is_best_A = np.bincount(draws.argmax(1), minlength=self._num_arms) / len(draws)
        variance_A = covariance_AA.diagonal() + covariance_AA[0, 0] - 2 * covariance_AA[0]
        found = [
            Standing(arm, float(mean_A[arm] - mean_A[0]), math.sqrt(max(0.0, variance_A[arm])), float(is_best_A[arm]))
            for arm in range(self._num_arms)
        ]
        return tuple(sorted(found, key=lambda standing: -standing.gain))

    def _echo(self, ask: Ask, score: float) -> None:
        """The same stage is known at the other rungs. With other seeds it is not asked again, and not seen: it would look like no noise."""
        rungs = [other for rung in range(self._num_rungs) if (other := ask._replace(rung=rung)) not in self.asked]
        self.asked += rungs
        self.scores += [score] * len(rungs)
        self._same |= {Ask(0, ask.target, *place) for place in itertools.product(range(self._num_rungs), range(self._num_replicates))}

    def _everyone(self) -> list[Ask]:
        """All arms for all targets, at the highest rung that leaves enough for a choice among the best; none if there is no such rung."""
        for rung in reversed(range(self._num_rungs)):
            asks = [Ask(arm, target, rung, 0) for arm in range(self._num_arms) for target in range(self._num_targets)]
            if self.spent + self._costs.of(asks, self._trained()) <= _FIRST_ROUND * self._budget:
                return asks
        return []

    def _round(self) -> list[Ask]:
        """What promises most for its cost, one choice after the other, up to this round's part of what is left."""
        left = self._budget - self.spent
        part = left / max(1, _NUM_ROUNDS - self._num_rounds)
        beliefs = [self._belief(target) for target in range(self._num_targets)]
        asks: list[Ask] = []
        cost = 0.0
        while cost < part:
            unit = self._best_unit(beliefs, asks, left - cost)
            if not unit:
                break
            cost += self._costs.of(unit, self._trained(asks))
            for target in {ask.target for ask in unit}:
                arms = [ask.arm for ask in unit if ask.target == target]
                is_new = not any(each[1:] == (target, *unit[0][2:]) for each in (*self.asked, *asks))
                beliefs[target] = beliefs[target].without(beliefs[target].gains(arms, unit[0].rung, is_new=is_new))
            asks += unit
        return asks

    def _best_unit(self, beliefs: list[Belief], asks: list[Ask], left: float) -> list[Ask]:
        """The trials, all of one seed at one rung, that promise most for their cost and fit into `left`."""
        trained, known = self._trained(asks), {*self.asked, *asks, *self._same}
        begun = {ask[1:] for ask in (*self.asked, *asks)}
        best: list[Ask] = []
        best_rate = 0.0
        for rung, replicate, size in itertools.product(range(self._num_rungs), range(self._num_replicates), _SIZES):
            sets = []
            for target, belief in enumerate(beliefs):
                unit = [Ask(arm, target, rung, replicate) for arm in _hopeful(belief)]
                unit = [ask for ask in unit if ask not in known][:size]
                if unit:
                    gains_DN = belief.gains([ask.arm for ask in unit], rung, is_new=unit[0][1:] not in begun)
                    sets.append((self._promise(belief, gains_DN), unit))
            units = [*sets, (sum(promise for promise, _ in sets), [ask for _, unit in sets for ask in unit])]
            for promise, unit in units:
                cost = self._costs.of(unit, trained)
                if cost <= left and promise > _NEGLIGIBLE and promise / cost > best_rate:
                    best_rate, best = promise / cost, unit
        return best

    def _promise(self, belief: Belief, gains_DN: Floats) -> float:
        """How many points better the choice for a target is expected to be."""
        mean_A = belief.mean_D[belief.last]
        learned_KA = _DRAWS_KN[:, : gains_DN.shape[1]] @ gains_DN[belief.last].T
        return float((mean_A + learned_KA).max(1).mean() - mean_A.max())

    def _trained(self, more: Sequence[Ask] = ()) -> frozenset[tuple[int, int, int]]:
        return self._before | {(ask.arm, ask.rung, ask.replicate) for ask in (*self.asked, *more)}

    def _belief(self, target: int) -> Belief:
        scored = zip(self.asked, self.scores, strict=True)
        seen = [Seen(ask.arm, ask.rung, ask.replicate, score) for ask, score in scored if ask.target == target]
        return believe(self._prior_AT[:, target], self._num_rungs, seen)


def _hopeful(belief: Belief) -> list[int]:
    """All arms, those that might be best first."""
    last_A = belief.last
    return np.argsort(-(belief.mean_D[last_A] + np.sqrt(belief.covariance_DD[last_A, last_A])), kind="stable").tolist()


def standardised(values_AT: Floats) -> Floats:
    """Mean 0 and standard deviation 1 over the arms of each target; zero where a value is missing, or all are equal."""
    standard_AT = np.zeros_like(values_AT)
    for values_A, standard_A in zip(values_AT.T, standard_AT.T, strict=True):
        known = ~np.isnan(values_A)
        if known.any() and values_A[known].std() > 0:
            standard_A[known] = (values_A[known] - values_A[known].mean()) / values_A[known].std()
    return standard_AT
