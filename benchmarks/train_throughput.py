"""Useful tokens per second of a whole training: ours against Hugging Face's `Trainer`, in the same run, on the same rows.

    python benchmarks/train_throughput.py [--profiles nli tagging qa] [--rounds N] [--rows N] [--threads N]
        [--precision float32|bfloat16] [--json FILE]

A small XLM-R with the full vocabulary and random weights is trained for one epoch by each contender, one after another, round by round,
in another order each round; a ratio is that of a round. Ours is `trainables.train.train`, timed whole: cutting the vocabulary and growing
it back are in, in a process whose allocator keeps freed memory, as a stage sets it. It computes in bfloat16 where this processor
multiplies matrices faster so, which is measured first; else in float32, and the bfloat16 settings of `Trainer`, which would take some
fifty times as long, are left out. `Trainer` is timed from its first batch to its last step, and given all that costs it nothing: rows
that are tensors already, a collator without a tokenizer that pads to the longest of the batch, fused AdamW, no logging, saving, progress
bar or look for bad losses, no pinned memory. Its processes have the allocator's defaults, but that of its last setting, which shows what
that gives. Rows, batch size, epochs, schedule, clipping and weight decay are the same. Each has a process of its own, whose largest
resident set is its peak memory. On a machine that others use, ratios of CPU seconds, all threads', with `--threads 1` are nearer the
truth than the clock's.
"""

import argparse
import contextlib
import functools
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from peers import (
    CPU,
    PROFILES,
    SIZES,
    Profile,
    Recipe,
    Seconds,
    Stopwatch,
    add_arguments,
    describe,
    faster_precision,
    interleave,
    make_features,
    make_ours,
    make_peer,
    print_table,
    train_ours,
    train_peer,
    write_json,
)

from trainables.allocator import keep_freed_memory
from trainables.devices import peak_memory_bytes
from trainables.features import Features

OURS = "ours"
PEERS: dict[str, dict[str, Any]] = {
    "Trainer": {},
    "Trainer, bfloat16": {"bf16": True},
    "Trainer, grouped": {"train_sampling_strategy": "group_by_length"},
    "Trainer, grouped, bfloat16": {"train_sampling_strategy": "group_by_length", "bf16": True},
}
KEPT = ", freed memory kept"
"""Behind the name of a setting: `Trainer` in a process with ours' allocator."""


def train_once(name: str, precision: str, profile: Profile, features: Features) -> Seconds:
    """One epoch, with fresh weights."""
    recipe = Recipe(precision=precision, batch_size=profile.batch_size)
    if name == OURS:
        model = make_ours(SIZES["tiny"], profile, precision)
        with Stopwatch() as watch:
            train_ours(model, recipe, features)
        return watch.seconds
    with tempfile.TemporaryDirectory() as folder:
        return train_peer(make_peer(SIZES["tiny"], profile), features, recipe, Path(folder), **PEERS[name.removesuffix(KEPT)])


def begin_process(name: str, num_threads: int) -> None:
    """What the process of a contender does first."""
    torch.set_num_threads(num_threads)
    if name == OURS or name.endswith(KEPT):
        keep_freed_memory()  # as a stage does


def compare(profile: Profile, precision: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Prints the profile's table, and gives what is in it."""
    features = make_features(profile, arguments.rows or profile.num_rows)
    print(f"\n{describe(profile, features)}")
    names = [OURS, *(name for name in PEERS if precision == "bfloat16" or "bf16" not in PEERS[name])]
    names.append(names[-1] + KEPT)
    with contextlib.ExitStack() as stack:
        begun = functools.partial(ProcessPoolExecutor, 1, multiprocessing.get_context("spawn"), begin_process)
        processes = {name: stack.enter_context(begun((name, arguments.threads))) for name in names}

        def run(name: str) -> Seconds:
            return processes[name].submit(train_once, name, precision, profile, features).result()

        seconds = interleave({name: functools.partial(run, name) for name in names}, arguments.rounds)
        peaks = {name: process.submit(peak_memory_bytes, CPU).result() for name, process in processes.items()}
    best = print_table(seconds, OURS, len(features.token_ids))
    print("peak memory: " + "; ".join(f"{name} {peak / 2**30:.2f} GiB" for name, peak in peaks.items()), flush=True)
    return {"rows": features.num_examples, "tokens": len(features.token_ids), "seconds": seconds, "best_peer": best, "peak_bytes": peaks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    precision = arguments.precision or faster_precision(CPU)
    print(f"torch {torch.__version__}, {arguments.threads} threads, ours in {precision}; median of {arguments.rounds} rounds")
    found = {name: compare(PROFILES[name], precision, arguments) for name in arguments.profiles}
    write_json({"threads": arguments.threads, "precision": precision, "profiles": found}, arguments.json)


if __name__ == "__main__":
    main()
