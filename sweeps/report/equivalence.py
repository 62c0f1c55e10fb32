"""Whether two latencies are the same: two one-sided tests (TOST) on the ratio of the passes of two arms.

Times of one process depend on each other: on where weights lie in memory, on what else the machine does. What counts as independent
is therefore not the pass but the *block*, for which both arms are loaded anew (`trainables.benchmark`). A block has one value, the log
ratio of its passes: pass by pass on the same batch, the median over the passes in which one arm went first and the median over those
in which the other did, averaged. Outliers stay in and cannot move a median, and whatever going first is worth cancels. The mean over
blocks has a Student t with one degree of freedom fewer than blocks.

Equivalent (Schuirmann 1987): the 90% interval of the ratio lies between 1 / (1 + margin) and 1 + margin, which is to reject both "at
least so much slower" and "at least so much faster" at 5%. Different: not that, and the 95% interval leaves out 1. Else undecided.

In 2,000 simulated comparisons of 20 blocks with drift, dependent and heavy-tailed noise and an effect of memory that lasts a block, the
95% interval covers 95%; were the passes counted as independent, it would cover 74%, even with the effect of order known and outliers left
out.
`tests/sweeps/report/test_equivalence.py` holds it to that.

Legend: `P` passes (of both arms), `B` blocks.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

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
    place_P: NDArray[np.int64],
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
    blocks, turn = block_P[first], place_P[first]
    return np.array(
        [np.mean([np.median(log_ratios[(blocks == block) & (turn == place)]) for place in (0, 1)]) for block in np.unique(blocks)]
    )


def compare(log_ratios_B: Floats, margin: float) -> Comparison:
    """The ratio that blocks agree on, and what it says of equivalence within `margin`."""
    num_blocks = len(log_ratios_B)
    assert num_blocks > 1, "a spec has at least three blocks"
    mean, freedom = float(log_ratios_B.mean()), num_blocks - 1
    error = max(float(log_ratios_B.std(ddof=1)) / math.sqrt(num_blocks), 1e-12)
    wide, narrow = (error * float(stdtrit(freedom, 1 - tail)) for tail in (SIGNIFICANCE / 2, SIGNIFICANCE))
    bound = math.log1p(margin)
    p_equivalent = max(float(stdtr(freedom, (mean - bound) / error)), float(stdtr(freedom, (-bound - mean) / error)))
    low, high = mean - wide, mean + wide
    verdict: Verdict = "equivalent" if p_equivalent < SIGNIFICANCE else "different" if low > 0 or high < 0 else "undecided"
    return Comparison(
        math.exp(mean),
        math.exp(low),
        math.exp(high),
        math.exp(mean - narrow),
        math.exp(mean + narrow),
        p_equivalent,
        num_blocks,
        margin,
        verdict,
    )


def compare_all(log_ratios: Sequence[Floats], margin: float) -> Comparison:
    """The mean over settings of the log ratio, block by block: settings of one block share its memory and are not independent."""
    return compare(np.mean(log_ratios, axis=0), margin)
