"""What a checkpoint costs a training: how long its loop is held up, and how long the writing beside it takes.

    python benchmarks/checkpoint_cost.py [--sizes tiny base] [--rounds N] [--threads N] [--json FILE]

XLM-R with random weights and the full vocabulary, cut to what NLI-like text touches, as in training. The share is of the time between two
checkpoints, as `sweeps.run.CHECKPOINT_EVERY_S` and `trainables.progress` have it.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from peers import PROFILES, SIZES, Recipe, make_features, make_ours

from sweeps.run import CHECKPOINT_EVERY_S
from trainables.layers import rule_of
from trainables.parallel import Spread
from trainables.progress import Progress, Saver
from trainables.train import make_optimizer
from trainables.vocabulary_cut import cut_vocabulary


def held(name: str, num_rounds: int, folder: Path) -> dict[str, Any]:
    """Of one size: medians in seconds, and the size of a file."""
    profile = PROFILES["nli"]
    features = make_features(profile, profile.num_rows)
    model = make_ours(SIZES[name], profile, "float32")
    cut_vocabulary(model, [features])
    spread = Spread(model, None, 8192)
    spread.freeze(rule_of("all", model.num_layers))
    optimizer = make_optimizer(model, Recipe(precision="float32", batch_size=profile.batch_size))  # type: ignore[arg-type]
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-4)
    optimizer.step()  # makes the moments
    progress = Progress(0, torch.zeros(1000), [], None, None, 0, 0, 0.0, 0.0, 0.0)
    holding, writing = [], []
    for step in range(num_rounds):
        progress.step = step
        began = time.perf_counter()
        with Saver(folder, CHECKPOINT_EVERY_S, lambda _: None) as saver:
            saver.save(spread, optimizer, progress)
            holding.append(time.perf_counter() - began)
        writing.append(time.perf_counter() - began - holding[-1])
    num_bytes = max(path.stat().st_size for path in folder.glob("step-*"))
    median = statistics.median(holding)
    between = max(CHECKPOINT_EVERY_S, 100 * median)
    return {
        "held_s": median,
        "written_s": statistics.median(writing),
        "bytes": num_bytes,
        "share": median / between,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sizes", nargs="+", choices=SIZES, default=["tiny", "base"])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    rows = {}
    for name in given.sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = row = held(name, given.rounds, Path(folder))
        print(
            f"{name}: {row['bytes'] / 1e6:,.0f} MB; the loop is held for {row['held_s']:.3f} s, {row['share']:.3%} of its time; "
            f"{row['written_s']:.2f} s are written beside it",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
