"""Full grids to replay a selection on: measured ones from a file, and ones simulated around published averages.

Legend: `A` arms, the baseline first; `T` targets; `R` rungs, the study's own last; `S` replicates.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweeps.ladder import NUM_TRANSFER_UNITS, PRIOR_RUNG, RUNGS
from sweeps.selection import Costs, standardised

HERE = Path(__file__).parent
EPOCHS = 3
NUM_REPLICATES = 3
FORWARD_SHARE = 1 / 3
"""Of the cost of a training example, for one that is scored."""
CORRELATIONS = (0.6, 0.85, 1.0)
ATTENUATIONS = (0.5, 0.8, 1.0)
"""Assumed, by rung: how an arm's value goes with its value at the last rung, and how large it is."""
PRIOR_CORRELATION = 0.4
"""Assumed, of a transferability score and an arm's value for a target: about what published studies of such scores find."""


class Grid(NamedTuple):
    """All that a selection could have seen, and what it should have found."""

    scores_ATRS: NDArray[np.float64]
    truth_AT: NDArray[np.float64]
    costs: Costs
    prior_AT: NDArray[np.float64]
    """Transferability scores of mean 0 and standard deviation 1 for each target; zeros where there are none."""
    prior_cost: float
    """Of measuring them all, encoders included."""

    @property
    def full_cost(self) -> float:
        """Of every arm and target at the last rung, with every replicate."""
        own = self.costs.encoder_AR[:, -1].sum() + len(self.truth_AT) * self.costs.target_TR[:, -1].sum()
        return float(self.scores_ATRS.shape[-1] * own)


def measured(path: Path, draw: np.random.Generator) -> Grid:
    """A grid of `benchmarks/select_grid.py`: three quarters of its intermediates and the study's number of replicates, drawn at random.

    The truth is the mean, at the last rung, over the replicates that a selection does not see.
    """
    content = json.loads(path.read_text())
    scores_ATRS, transfer_AT = np.array(content["scores"]), np.array(content["transfer"], dtype=float)
    num_arms, num_seen = len(scores_ATRS), content["replicates_of_the_study"]
    kept = np.array([0, *(1 + draw.permutation(num_arms - 1)[: math.ceil(0.75 * (num_arms - 1))])])
    replicates = draw.permutation(scores_ATRS.shape[-1])
    seen, held_out = replicates[:num_seen], replicates[num_seen:]
    truth_AT = scores_ATRS[kept, :, -1][:, :, held_out].mean(-1)
    costs = Costs(np.array(content["encoder_cost"])[kept], np.array(content["target_cost"]), np.array(content["target_trains"]))
    prior_cost = content["prior_cost"] * len(kept) / num_arms
    return Grid(scores_ATRS[kept][..., seen], truth_AT, costs, standardised(transfer_AT[kept]), prior_cost)


def simulated(draw: np.random.Generator) -> Grid:
    """A matrix around the averages of Phang et al. 2020, whose cells are not published: everything that is not in the file is drawn."""
    published = json.loads((HERE / "published_averages.json").read_text())
    arms = [*published["train_sizes"], "all-nine"]
    targets = list(published["targets"].values())
    gains = _gains(published, arms, targets, draw)
    truth_AT = np.array([target["without"] for target in targets]) + np.vstack([np.zeros(len(targets)), gains])
    spread_T = gains.std(0)
    noise_T = 0.3 + 0.15 * np.abs(gains).mean(0)
    rungs = []
    for correlation, attenuation in zip(CORRELATIONS, ATTENUATIONS, strict=True):
        centred = truth_AT - truth_AT.mean(0)
        other = math.sqrt(1 - correlation**2) * spread_T * draw.standard_normal(truth_AT.shape)
        rungs.append(truth_AT.mean(0) + attenuation * (correlation * centred + other))
    means_ATR = np.stack(rungs, -1)
    scores_ATRS = means_ATR[..., None] + noise_T[None, :, None, None] * draw.standard_normal((*means_ATR.shape, NUM_REPLICATES))
    prior_AT = PRIOR_CORRELATION * standardised(truth_AT) + math.sqrt(1 - PRIOR_CORRELATION**2) * draw.standard_normal(truth_AT.shape)
    costs = _costs(published, arms, targets)
    measuring = FORWARD_SHARE * NUM_TRANSFER_UNITS * len(truth_AT) * len(targets)
    return Grid(scores_ATRS, truth_AT, costs, standardised(prior_AT), float(costs.encoder_AR[:, PRIOR_RUNG].sum()) + measuring)


def _gains(published: dict, arms: list[str], targets: list[dict], draw: np.random.Generator) -> NDArray[np.float64]:
    """[A - 1, T]: rows keep to the published means, columns to the published gains of the best, as far as there are any."""
    best = [target["best"] - target["without"] if target["best"] is not None else math.nan for target in targets]
    rest = published["mean_gain_of_the_best"] * len(best) - np.nansum(best)
    profile_T = np.maximum(0.3, np.where(np.isnan(best), rest / np.isnan(best).sum(), best))
    profile_T /= profile_T.mean()
    row_A = np.array([published["mean_gains"].get(arm, draw.uniform(0, 7)) for arm in arms])
    own = draw.standard_normal((len(arms), len(targets))) * (0.7 + 1.5 * profile_T)
    return row_A[:, None] * profile_T + own - own.mean(1, keepdims=True)


def _costs(published: dict, arms: list[str], targets: list[dict]) -> Costs:
    sizes = published["train_sizes"] | {"all-nine": sum(published["train_sizes"].values())}
    encoder = [[0.0] * len(RUNGS), *([EPOCHS * sizes[arm] * rung.intermediate for rung in RUNGS] for arm in arms)]
    own = [[EPOCHS * target["train"] * rung.target + FORWARD_SHARE * target["scored"] for rung in RUNGS] for target in targets]
    return Costs(np.array(encoder), np.array(own), np.array([target["train"] > 0 for target in targets]))
