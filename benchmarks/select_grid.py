"""Trains the full grid of a selection: every arm for every target, at every rung, with every replicate.

    python benchmarks/select_grid.py STUDY --replicates N --home DIR --out FILE

More replicates than the study has: a replay shows a choice as many as the study has, and judges it by the others.

Writes scores in points and costs as `benchmarks/select_replay.py` reads them.
"""

import argparse
import functools
import itertools
import json
from pathlib import Path

import numpy as np
from rich.console import Console

from sweeps.cost import CostModel
from sweeps.data_sample import DataSamples
from sweeps.journal import Journal
from sweeps.ladder import RUNGS, Ladder
from sweeps.opened import driving, open_store, open_study, retries_of
from sweeps.plan import Steps
from sweeps.progress import Progress
from sweeps.run import run_rest
from sweeps.select_study import operations, score_of, transfer_values
from sweeps.selection import Ask
from sweeps.tracking import Tracker
from sweeps.walk import Walk


class Everything:
    """Every trial and every transferability score at once."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder, self.transfers = ladder, ladder.transfers()
        sizes = (len(ladder.arms), len(ladder.targets), len(RUNGS), ladder.num_replicates)
        self.scores = np.zeros(sizes)
        self.values = np.zeros(sizes[:2])
        self.problem: str | None = None

    def steps(self) -> Steps:
        asks = [Ask(*place) for place in itertools.product(*map(range, self.scores.shape))]
        trials = [self._ladder.trial(ask) for ask in asks]
        first = [request for transfer in self.transfers for request in transfer.requests]
        manifests = yield [*first, *(request for requests in trials for request in requests)]
        self.values = transfer_values(self._ladder, self.transfers, manifests[: len(first)])
        ends = len(first) + np.cumsum([len(requests) for requests in trials])
        for ask, end in zip(asks, ends, strict=True):
            self.scores[ask] = score_of(self._ladder.targets[ask.target], manifests[end - 1])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("study", type=Path)
    arguments.add_argument("--replicates", type=int, required=True)
    arguments.add_argument("--home", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    given = arguments.parse_args()
    opened = open_study(given.study, given.home, None)
    (model,) = opened.study.models
    samples = DataSamples(None, opened.home.cache)
    ladder = Ladder(opened.builder, model, samples.num_examples)
    ladder.num_replicates = given.replicates
    program = Everything(ladder)
    look_up, _ = open_store(opened)
    walk = Walk((), look_up, others=[program])
    tracker = Tracker(opened.home.root, f"{opened.study.name} grid", opened.study.description)
    with driving(opened) as leases, Progress(Console(), opened.study.name, ladder.num_stages()) as progress:
        journal = Journal(walk, opened.store, tracker, progress, leases, retries_of(opened))
        if not walk.is_finished:
            run_rest(opened, walk, journal, leases)
    tracker.close(60)
    if program.problem is not None:
        raise SystemExit(program.problem)
    cost = functools.partial(operations, CostModel(opened.study, opened.base, samples), model)
    costs = ladder.costs(cost)
    content = {
        "command": f"python benchmarks/select_grid.py {given.study} --replicates {given.replicates} --home DIR --out FILE",
        "replicates_of_the_study": opened.study.search.replicates,
        "arms": ladder.arms,
        "targets": ladder.targets,
        "rungs": RUNGS,
        "encoder_cost": costs.encoder_AR.tolist(),
        "target_cost": costs.target_TR.tolist(),
        "target_trains": costs.trains_T.tolist(),
        "transfer": np.round(program.values, 5).tolist(),
        "prior_cost": ladder.cost_of((request for transfer in program.transfers for request in transfer.requests), cost),
        "scores": np.round(program.scores, 3).tolist(),
    }
    given.out.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
