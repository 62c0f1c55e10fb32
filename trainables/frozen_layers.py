"""What frozen layers give for the tokens of a training, computed once for all its epochs.

Legend: `T` tokens of one entry of the mixture, `D` hidden size.
"""

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.features import Features
from trainables.flops import layer_flops
from trainables.inference import hidden_states
from trainables.layers import Rule, num_kept_layers
from trainables.model import Model
from trainables.ranks import rank_and_number

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from trainables.specs import TrainSpec

States = NDArray[np.float32]
"""[T, D]"""


class Kept(NamedTuple):
    """What the frozen layers give for one entry of a mixture, in the order of its features."""

    states_TD: States | None
    """None where each step computes it."""
    flops: float
    """Of computing it."""


def keep_frozen(model: Model, spec: "TrainSpec", rule: Rule, features: Features, num_visits: float) -> Kept:
    """Computes it once where that pays for a training that visits each example `num_visits` times, and nothing forbids it: masked tokens
    are others each time, several workers share no file, and a disk may be full."""
    number = num_kept_layers(rule, len(features.token_ids), model.shape.hidden_size, num_visits)
    is_same = spec.unfreezing == "at_once" and features.kind != "mlm"
    is_top_alone = number == model.num_layers or model.family.run_layers is not None
    if not (number and is_same and is_top_alone) or rank_and_number()[1] > 1:
        return Kept(None, 0.0)
    states_TD = _compute(model, features, number)
    flops = number * layer_flops(model.shape, len(features.token_ids), sum_of_squares(features))
    return Kept(states_TD, 0.0 if states_TD is None else flops)


def sum_of_squares(features: Features) -> int:
    """Of the lengths of all sequences."""
    return int(np.square(np.diff(features.offsets)).sum())


def _compute(model: Model, features: Features, number: int) -> States | None:
    """In a file that goes with the array: too much for memory, and read in rows."""
    shape = len(features.token_ids), model.shape.hidden_size
    num_bytes = 4 * shape[0] * shape[1]
    with tempfile.TemporaryFile(prefix="polystilts-states-") as file:
        if num_bytes > shutil.disk_usage(tempfile.gettempdir()).free / 2:
            return None
        os.posix_fallocate(file.fileno(), 0, num_bytes)  # a full disk raises here; below, it would kill the process
        states_TD = np.memmap(file, np.float32, "r+", shape=shape)
    for rows_T, hidden_TD in hidden_states(model, features, -1 if number == model.num_layers else number):
        states_TD[rows_T] = hidden_TD
    return states_TD
