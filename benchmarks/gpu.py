"""Training on a GPU: how much of the matrix rate it reaches, tokens per second and peak memory, against `Trainer` with bfloat16.

    python benchmarks/gpu.py [--size base large] [--profiles nli tagging qa] [--steps N] [--rounds N] [--device cuda] [--json FILE]
    python benchmarks/gpu.py --size tiny --device cpu --steps 4 --rounds 1

Needs this repository, torch, transformers, numpy and safetensors alone. `Trainer` needs accelerate; where that is absent, a plain loop
that does the same (padded random batches, autocast, fused AdamW, clipping, schedule) stands for it, and the table says so.
XLM-R's published shapes with random weights and the full vocabulary; an epoch of the same rows for both, round by round, after some
warm steps; ours without its set-up, `Trainer` from its first batch to its last step. Utilisation is the floating-point operations of
the useful tokens, by `trainables.flops`, a second, against the best dense matrix product in the same precision in the same run.
Peak memory is the allocator's; on a CPU, where it is the largest resident set so far, it says little.
"""

import argparse
import functools
import importlib.util
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from peers import (
    PROFILES,
    SIZES,
    Profile,
    Recipe,
    Rows,
    Seconds,
    Size,
    Stopwatch,
    collate,
    describe,
    faster_precision,
    interleave,
    make_features,
    make_ours,
    make_peer,
    matrix_rate,
    train_ours,
    train_peer,
    write_json,
)
from torch import nn

from trainables.devices import device_name, peak_memory_bytes, reset_peak_memory
from trainables.features import Features
from trainables.flops import ONE_EACH, EncoderShape, step_flops
from trainables.heads import num_asked
from trainables.layers import Rule
from trainables.packing import take
from trainables.schedule import warm_up_and_decay

OURS = "ours"
HAS_TRAINER = importlib.util.find_spec("accelerate") is not None
PEER = "Trainer" if HAS_TRAINER else "plain padded loop (no accelerate)"
NUM_WARM = 3
"""Steps."""


class Cell(NamedTuple):
    """One size at one length."""

    size: Size
    profile: Profile
    precision: str
    device: torch.device
    max_tokens: int

    @property
    def recipe(self) -> Recipe:
        return Recipe(precision=self.precision, batch_size=self.profile.batch_size)


class Reached(NamedTuple):
    """The medians of one contender."""

    tokens_per_second: float
    utilisation: float
    peak_bytes: int


def train_our_model(cell: Cell, features: Features) -> Seconds:
    model = make_ours(cell.size, cell.profile, cell.precision).to(cell.device)
    reset_peak_memory(cell.device)
    seconds = train_ours(model, cell.recipe, features, cell.max_tokens).effort.seconds
    return Seconds(seconds, seconds)


def train_their_model(cell: Cell, features: Features) -> Seconds:
    model = make_peer(cell.size, cell.profile).to(cell.device)
    reset_peak_memory(cell.device)
    if not HAS_TRAINER:
        return padded_loop(model, cell, features)
    is_half = cell.precision == "bfloat16"
    with tempfile.TemporaryDirectory() as folder:
        return train_peer(model, features, cell.recipe, Path(folder), cell.device.type == "cpu", bf16=is_half)


def padded_loop(model: nn.Module, cell: Cell, features: Features) -> Seconds:
    """What `Trainer` does with batches that are padded to their longest sequence."""
    recipe, rows = cell.recipe, Rows(features)
    order = torch.randperm(len(rows)).split(recipe.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    model.train()
    with Stopwatch() as watch:
        for step, places in enumerate(order):
            optimizer.param_groups[0]["lr"] = recipe.learning_rate * warm_up_and_decay(step, len(order), recipe.warmup_fraction)
            batch = {name: tensor.to(cell.device) for name, tensor in collate([rows[place] for place in places.tolist()]).items()}
            with torch.autocast(cell.device.type, torch.bfloat16, enabled=cell.precision == "bfloat16"):
                loss = model(**batch).loss
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
    return watch.seconds


CONTENDERS: dict[str, Callable[[Cell, Features], Seconds]] = {OURS: train_our_model, PEER: train_their_model}


def measure(cell: Cell, num_steps: int, num_rounds: int, rate: float) -> dict[str, Reached]:
    """Both contenders on the same rows."""
    features = make_features(cell.profile, num_steps * cell.profile.batch_size)
    print(f"\n{describe(cell.profile, features)}")
    warm = take(features, np.arange(min(NUM_WARM, num_steps) * cell.profile.batch_size))
    peaks = dict.fromkeys(CONTENDERS, 0)

    def timed(name: str) -> Seconds:
        CONTENDERS[name](cell, warm)
        seconds = CONTENDERS[name](cell, features)
        peaks[name] = max(peaks[name], peak_memory_bytes(cell.device))
        return seconds

    found = interleave({name: functools.partial(timed, name) for name in CONTENDERS}, num_rounds)
    shape = EncoderShape(cell.size.num_layers, cell.size.hidden_size, cell.size.intermediate_size)
    num_tokens, squares = len(features.token_ids), int(np.square(np.diff(features.offsets)).sum())
    flops = {
        OURS: step_flops(shape, Rule(0), num_tokens, squares, num_asked(features), features.kind in ONE_EACH),
        PEER: step_flops(shape, Rule(0), num_tokens, squares, num_tokens),
    }
    clock = {name: statistics.median(taken.clock for taken in each) for name, each in found.items()}
    return {name: Reached(num_tokens / seconds, flops[name] / seconds / rate, peaks[name]) for name, seconds in clock.items()}


def print_reached(reached: dict[str, Reached]) -> None:
    for name, each in reached.items():
        ratio = reached[OURS].tokens_per_second / each.tokens_per_second
        print(
            f"  {name:34}{each.tokens_per_second:12,.0f} tokens/s  {each.utilisation:6.1%} of the matrix rate  "
            f"{each.peak_bytes / 2**30:6.2f} GiB  ours is {ratio:.2f} times as fast",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", choices=list(SIZES), default=["base", "large"])
    parser.add_argument("--profiles", nargs="+", choices=list(PROFILES), default=list(PROFILES))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--max-tokens", type=int, default=16384, help="that go forward at once")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = torch.device(given.device)
    precision = faster_precision(device)
    rate = matrix_rate(getattr(torch, precision), device, 8192 if device.type == "cuda" else 512)
    print(f"{device_name(device)}, torch {torch.__version__}: {rate / 1e12:.2f} TFLOP/s in dense products of {precision}")
    found: dict[str, Any] = {"device": device_name(device), "precision": precision, "matrix_rate": rate, "peer": PEER}
    for size in given.size:
        for profile in given.profiles:
            cell = Cell(SIZES[size], PROFILES[profile], precision, device, given.max_tokens)
            reached = measure(cell, given.steps, given.rounds, rate)
            print(f"XLM-R {size}, {profile}:")
            print_reached(reached)
            found[f"{size} {profile}"] = {name: each._asdict() for name, each in reached.items()}
    write_json(found, given.json)


if __name__ == "__main__":
    main()
