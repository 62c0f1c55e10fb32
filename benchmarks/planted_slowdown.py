"""Whether the test of equivalence finds a planted slowdown of 5%, and calls the same weights equivalent: real passes, really slowed.

    python benchmarks/planted_slowdown.py [--json FILE]

Prints the ratio of each comparison with its interval and verdict. Exit code 1 if the slowdown is not found or the null is not equivalent.
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sweeps.report.equivalence import Comparison, block_log_ratios, compare
from trainables.benchmark import Arm, Repetitions, Setting, Workload, fixed_batches, pinned_threads, time_arms
from trainables.model import Model, load_model
from trainables.packing import Packed

POCKET = Path(__file__).parents[1] / "trainables/pocket/encoder"
MARGIN = 0.02
MAX_CHUNKS = 12
BLOCKS, REPETITIONS = 20, 30
"""Of a chunk."""


class SlowModel:
    """A model each of whose passes really takes `share` longer: it keeps the core busy for that part of the pass's own time."""

    def __init__(self, model: Model, share: float) -> None:
        self._model, self._share = model, share

    def hidden(self, packed: Packed, layer: int = -1) -> Tensor:
        started = time.perf_counter()
        found = self._model.hidden(packed, layer)
        until = started + (1 + self._share) * (time.perf_counter() - started)
        while time.perf_counter() < until:
            pass
        return found

    def logits(self, packed: Packed, task: str) -> Tensor:
        raise AssertionError(f"{task} of {packed}: only the encoder is timed here")


def compare_pocket(make: Callable[[Model], Arm]) -> Comparison:
    """The pocket encoder against what is made of it, in as many blocks as it takes to know the ratio within 1%: a machine may be busy."""
    model = load_model("xlm_roberta", POCKET, "float32").eval()
    ratios_B = np.zeros(0)
    for chunk in range(MAX_CHUNKS):
        ratios_B = np.concatenate([ratios_B, time_chunk(model, make, chunk)])
        found = compare(ratios_B, MARGIN)
        if found.high / found.low < 1.02:
            break
    return found


def time_chunk(model: Model, make: Callable[[Model], Arm], seed: int) -> np.ndarray:
    """The log ratio of each block; a sequence of 16 tokens a pass, fresh copies for each block."""
    batches = fixed_batches(np.arange(5, 1200, dtype=np.int32), ((0,), (2,)), 16, 1, REPETITIONS, [seed])
    workload = Workload(Setting("any", 1, "16", "float32"), batches)
    loads = [lambda _: copy.deepcopy(model), lambda _: make(copy.deepcopy(model))]
    torch.set_num_threads(1)
    with pinned_threads(1):
        times = list(time_arms(loads, None, [workload], Repetitions(BLOCKS, REPETITIONS, 2), torch.device("cpu"), seed))
    columns = {name: np.array([getattr(timed, name) for timed in times]) for name in ("block", "repetition", "arm", "seconds")}
    return block_log_ratios(columns["block"], columns["repetition"], columns["arm"] == 1, columns["seconds"])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    found = {"the same weights": compare_pocket(lambda model: model), "5% slower": compare_pocket(lambda model: SlowModel(model, 0.05))}
    for name, each in found.items():
        print(f"{name}: ratio {each.ratio:.3f} [{each.low:.3f}, {each.high:.3f}], {each.num_blocks} blocks: {each.verdict}")
    if given.json is not None:
        given.json.write_text(json.dumps({name: each._asdict() for name, each in found.items()}, indent=1) + "\n")
    sys.exit(0 if [each.verdict for each in found.values()] == ["equivalent", "different"] else 1)


if __name__ == "__main__":
    main()
