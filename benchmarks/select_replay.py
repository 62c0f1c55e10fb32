"""Judges the choice of intermediates by replay over full grids: regret and NDCG against budget, beside simpler ways to choose.

    python benchmarks/select_replay.py [--replays N] [--budgets SHARE ...] [--json FILE]

Grids: the pocket world's, measured (`benchmarks/pocket_grid.json`; a replay sees three of its seeds and is judged by the others), and
matrices simulated from published averages. Prints means over targets and replays with 95% intervals over replays, which of the one
measured grid draw intermediates and seeds alone. All ways see the same grids, so that differences are paired.
"""

import argparse
import functools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.select_grids import HERE, Grid, measured, simulated
from sweeps.ladder import PRIOR_RUNG
from sweeps.selection import Ask, Selector, has_room

BUDGETS = (0.10, 0.15, 0.25, 0.40)
KEPT = 1 / 2
"""Of the arms, from rung to rung of successive halving."""
Choice = list[list[int]]
"""The arms in order, the best first, for each target."""


class Found(NamedTuple):
    """Of one replay, means over targets."""

    regret: float
    ndcg: float
    spent: float
    """Share of the full cost."""


def ours(grid: Grid, budget: float, draw: np.random.Generator, *, with_prior: bool = True) -> tuple[Choice, float]:  # noqa: ARG001
    """`sweeps.selection.Selector`."""
    num_arms, num_targets, _, num_replicates = grid.scores_ATRS.shape
    if with_prior and has_room(grid.costs, grid.prior_cost, budget):
        trained = frozenset((arm, PRIOR_RUNG, 0) for arm in range(num_arms))
        selector = Selector(grid.costs, budget, num_replicates, spent=grid.prior_cost, trained=trained)
        selector.inform(grid.prior_AT)
    else:
        selector = Selector(grid.costs, budget, num_replicates)
    while asks := selector.ask():
        selector.tell([grid.scores_ATRS[ask] for ask in asks])
    return [[standing.arm for standing in selector.standings(target)] for target in range(num_targets)], selector.spent


def ours_without_prior(grid: Grid, budget: float, draw: np.random.Generator) -> tuple[Choice, float]:
    return ours(grid, budget, draw, with_prior=False)


class _Purse:
    """Buys trials one after another while they fit."""

    def __init__(self, grid: Grid) -> None:
        self._costs = grid.costs
        self._scores = grid.scores_ATRS
        self._trained: set[tuple[int, int, int]] = set()
        self.spent = 0.0
        num_arms, num_targets, num_rungs, _ = grid.scores_ATRS.shape
        self.seen: list[list[list[list[float]]]] = [[[[] for _ in range(num_rungs)] for _ in range(num_targets)] for _ in range(num_arms)]

    def buy(self, asks: Sequence[Ask], limit: float) -> bool:
        cost = self._costs.of(asks, frozenset(self._trained))
        if self.spent + cost > limit:
            return False
        self.spent += cost
        for ask in asks:
            self._trained.add((ask.arm, ask.rung, ask.replicate))
            self.seen[ask.arm][ask.target][ask.rung].append(float(self._scores[ask]))
        return True

    def ranking(self, target: int, order: Sequence[int]) -> list[int]:
        """By the mean at the highest rung that an arm came to; arms without a score last, in `order`."""

        def standing(arm: int) -> tuple[int, float]:
            rungs = [rung for rung, scores in enumerate(self.seen[arm][target]) if scores]
            return (rungs[-1], float(np.mean(self.seen[arm][target][rungs[-1]]))) if rungs else (-1, 0.0)

        return sorted(order, key=standing, reverse=True)


def random_order(grid: Grid, budget: float, draw: np.random.Generator) -> tuple[Choice, float]:
    """Arms in a random order, each trained in full for all targets with one seed, while they fit; the best seen is chosen."""
    num_arms, num_targets, num_rungs, num_replicates = grid.scores_ATRS.shape
    order = draw.permutation(num_arms).tolist()
    purse = _Purse(grid)
    for replicate in range(num_replicates):
        for arm in order:
            purse.buy([Ask(arm, target, num_rungs - 1, replicate) for target in range(num_targets)], budget)
    return [purse.ranking(target, order) for target in range(num_targets)], purse.spent


def successive_halving(grid: Grid, budget: float, draw: np.random.Generator) -> tuple[Choice, float]:
    """One seed a rung; the best arms of each target go on to the next; what is left after the last one buys further replicates there."""
    num_arms, num_targets, num_rungs, num_replicates = grid.scores_ATRS.shape
    order = draw.permutation(num_arms).tolist()
    purse = _Purse(grid)
    alive = dict.fromkeys(range(num_targets), order)
    for rung in range(num_rungs):
        for replicate in range(num_replicates if rung == num_rungs - 1 else 1):
            for place in range(num_arms):
                for arm in order:
                    asks = [Ask(arm, target, rung, replicate) for target in alive if alive[target][place : place + 1] == [arm]]
                    if asks:
                        purse.buy(asks, budget)
        kept = math.ceil(num_arms * KEPT ** (rung + 1))
        alive = {target: purse.ranking(target, alive[target])[:kept] for target in alive}
    return [purse.ranking(target, order) for target in range(num_targets)], purse.spent


WAYS: dict[str, Callable[[Grid, float, np.random.Generator], tuple[Choice, float]]] = {
    "ours": ours,
    "ours without prior": ours_without_prior,
    "successive halving": successive_halving,
    "random order": random_order,
}


def judge(grid: Grid, choice: Choice, spent: float) -> Found:
    """Regret in points and NDCG with gains over the worst arm as relevance."""
    regrets, ndcgs = [], []
    for target, ranking in enumerate(choice):
        truth_A = grid.truth_AT[:, target]
        regrets.append(truth_A.max() - truth_A[ranking[0]])
        discount = 1 / np.log2(np.arange(len(truth_A)) + 2)
        relevance_A = truth_A - truth_A.min()
        ndcgs.append((relevance_A[ranking] @ discount) / (np.sort(relevance_A)[::-1] @ discount))
    return Found(float(np.mean(regrets)), float(np.mean(ndcgs)), spent / grid.full_cost)


def replay(make: Callable[[np.random.Generator], Grid], num_replays: int, budgets: Sequence[float]) -> list[dict[str, object]]:
    """A row for each way and budget; all ways see the same grids."""
    found: dict[tuple[float, str], list[Found]] = {(budget, way): [] for budget in budgets for way in WAYS}
    for number in range(num_replays):
        grid = make(np.random.default_rng(number))
        for (budget, way), results in found.items():
            results.append(judge(grid, *WAYS[way](grid, budget * grid.full_cost, np.random.default_rng(number))))
    return [_row(budget, way, results, found[budget, "ours"]) for (budget, way), results in found.items()]


def _row(budget: float, way: str, results: Sequence[Found], ours: Sequence[Found]) -> dict[str, object]:
    regret_N, ndcg_N, spent_N = np.array(results).T
    regret, regret_half = _mean(regret_N)
    ndcg, ndcg_half = _mean(ndcg_N)
    more, more_half = _mean(regret_N - np.array(ours)[:, 0])
    found = {"regret": regret, "regret_half": regret_half, "ndcg": ndcg, "ndcg_half": ndcg_half}
    return {"budget": budget, "way": way, **found, "more_than_ours": more, "more_half": more_half, "most_spent": float(spent_N.max())}


def _mean(values_N: NDArray[np.float64]) -> tuple[float, float]:
    """And half of its 95% interval."""
    return float(values_N.mean()), float(1.96 * values_N.std(ddof=1) / math.sqrt(len(values_N)))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--replays", type=int, default=100)
    arguments.add_argument("--budgets", type=float, nargs="+", default=BUDGETS)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    pocket = HERE / "pocket_grid.json"
    kinds = {"simulated from published averages": simulated, "pocket world, measured": functools.partial(measured, pocket)}
    results = {kind: replay(make, given.replays, given.budgets) for kind, make in kinds.items()}
    for kind, rows in results.items():
        print(f"\n{kind}, {given.replays} replays: regret in points, how much more than ours in the same replay, and NDCG")
        for row in rows:
            print(
                f"  {row['budget']:4.0%} {row['way']:20} {row['regret']:5.2f} ± {row['regret_half']:4.2f}"
                f"   more {row['more_than_ours']:+5.2f} ± {row['more_half']:4.2f}   NDCG {row['ndcg']:.3f} ± {row['ndcg_half']:.3f}"
            )
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
