"""Whether two latencies are the same: two one-sided tests (TOST) on the ratio of the passes of two arms.

Times of one process depend on each other: on where weights lie in memory, on what else the machine does. What counts as independent
is therefore not the pass but the *block*, for which both arms are loaded anew (`trainables.benchmark`). A block has one value, the
median over its passes of the log ratio of the arms, pass by pass on the same batch. Outliers stay in and cannot move a median; each arm
goes first equally often, so that what going first is worth shifts as many ratios up as down.

On a machine that others use, blocks have heavy tails too, so the tests over blocks are Wilcoxon's signed-rank tests, exact for any
distribution that is symmetric about the true ratio; estimate and interval are theirs (Hodges and Lehmann 1963).

Equivalent (Schuirmann 1987): the 90% interval of the ratio lies between 1 / (1 + margin) and 1 + margin, which is to reject both "at
least so much slower" and "at least so much faster" at 5%. Different: not that, and the 95% interval leaves out 1. Else undecided.

In 2,000 simulated comparisons of 20 blocks with drift, dependent and heavy-tailed noise and an effect of memory that lasts a block, the
95% interval covers 95%, of those at the margin 5% are called equivalent, and of those without a difference 99%. Were the passes
counted as independent, the interval would cover 72%, even with the effect of order known and outliers left out.
`tests/sweeps/report/test_equivalence.py` holds it to that.

Legend: `P` passes (of both arms), `B` blocks, `W` Walsh averages: the means of all pairs of blocks, each with itself included.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Verdict = Literal["equivalent", "different", "undecided"]

SIGNIFICANCE = 0.05
"""Of each one-sided test."""


class Comparison(NamedTuple):
    """The ratio of two latencies, the second arm's over the first's."""

    ratio: float
    low: float
    """Of the 95% interval."""
    high: float
    inner_low: float
    """Of the 90% interval, which decides equivalence."""
    inner_high: float
    p_equivalent: float
    """The larger one of the two tests' p-values."""
    num_blocks: int
    margin: float
    verdict: Verdict


def block_log_ratios(
    block_P: NDArray[np.int64],
    repetition_P: NDArray[np.int64],
    is_second_P: NDArray[np.bool_],
    seconds_P: Floats,
) -> Floats:
    """[B] the log ratio of each block, second arm over first, of one setting's passes in any order."""
    order = np.lexsort((is_second_P, repetition_P, block_P))
    first, second = order[::2], order[1::2]
    assert (block_P[first] == block_P[second]).all(), "each batch was run by both arms"
    assert (~is_second_P[first]).all(), "by the first one"
    assert is_second_P[second].all(), "and by the second"
    log_ratios = np.log(seconds_P[second]) - np.log(seconds_P[first])
    blocks = block_P[first]
    return np.array([np.median(log_ratios[blocks == block]) for block in np.unique(blocks)])


def compare(log_ratios_B: Floats, margin: float) -> Comparison:
    """The ratio that blocks agree on, and what it says of equivalence within `margin`."""
    tails = _tails(len(log_ratios_B))
    one, other = np.triu_indices(len(log_ratios_B))
    walsh_W = np.sort((log_ratios_B[one] + log_ratios_B[other]) / 2)
    bound = math.log1p(margin)
    p_equivalent = float(max(tails[np.count_nonzero(walsh_W > bound)], tails[np.count_nonzero(walsh_W < -bound)]))
    (low, high), (inner_low, inner_high) = (_interval(walsh_W, tails, tail) for tail in (SIGNIFICANCE / 2, SIGNIFICANCE))
    verdict: Verdict = "equivalent" if p_equivalent <= SIGNIFICANCE else "different" if low > 0 or high < 0 else "undecided"
    return Comparison(
        ratio=math.exp(float(np.median(walsh_W))),
        low=math.exp(low),
        high=math.exp(high),
        inner_low=math.exp(inner_low),
        inner_high=math.exp(inner_high),
        p_equivalent=p_equivalent,
        num_blocks=len(log_ratios_B),
        margin=margin,
        verdict=verdict,
    )


def compare_all(log_ratios: Sequence[Floats], margin: float) -> Comparison:
    """The mean over settings of the log ratio, block by block: settings of one block share its memory and are not independent."""
    return compare(np.mean(log_ratios, axis=0), margin)


def _tails(num_blocks: int) -> Floats:
    """[W + 1] the probability that at most so many Walsh averages are above the true value: Wilcoxon's distribution."""
    counts = np.ones(1)
    for rank in range(1, num_blocks + 1):
        # each rank is above or below: in halves, so that nothing overflows
        counts = (np.pad(counts, (0, rank)) + np.pad(counts, (rank, 0))) / 2
    return np.cumsum(counts)


def _interval(walsh_W: Floats, tails: Floats, tail: float) -> tuple[float, float]:
    """The values that neither one-sided test rejects at `tail`."""
    cut = int(np.searchsorted(tails, tail, side="right")) - 1
    assert cut >= 0, "a spec has blocks enough for an interval"
    return float(walsh_W[cut]), float(walsh_W[-1 - cut])
