"""How much sooner a transfer matrix is filled than by what Ray's and Hugging Face's documentation shows, and what of that is owed to what.

    python benchmarks/sweep.py [--pairs N] [--rounds N] [--without CAUSE ...] [--home DIR] [--json FILE]

The matrix is that of `benchmarks/sweep_study.yaml`: 16 pairs, and the row without an intermediate, which gains are measured from. Ours is
`polystilts run`, in a new folder each round, timed whole: imports, start of Ray, preparation, MLflow and report are in. The peer is
`benchmarks/sweep_peer.py`, timed whole too; its time without that row, which it could leave out, is shown beside. It has the same encoder,
tokenized examples, batches, steps, optimizer, schedule and precision; examples are prepared for it before and its predictions are scored
after its clock. It saves nothing but the intermediate encoder and logs nothing. With `--pairs` it does so many pairs, drawn at random, and
one without an intermediate, and the time of all is extrapolated.
On a busy machine the CPU time of all processes says more than the clock. Needs psutil and accelerate.
"""

import argparse
import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from peers import Seconds
from scipy.stats import t as student

from search_spaces import SPACES
from sweeps.opened import Opened, open_study, walk_store
from sweeps.plan import PairProgram, plan_study
from sweeps.results import BASELINE
from trainables.data import load_examples
from trainables.evaluate import measure
from trainables.feature_file import read_prepared, write_prepared
from trainables.manifest import Manifest
from trainables.prepare import prepare
from trainables.scoring import score
from trainables.specs import DataSpec, TrainSpec
from trainables.task import TASKS, Task

HERE = Path(__file__).parent
STUDY = HERE / "sweep_study.yaml"
CAUSES = ("sharing", "warm actors", "packing", "pruning")
SETTINGS = ("learning_rate", "batch_size", "epochs", "steps", "warmup_fraction", "weight_decay", "max_grad_norm", "seed")
RATE = "learning_rate"


class Score(NamedTuple):
    """Of one training: on the dev split, and the mean over all languages on the test split, both from 0 to 100."""

    dev: float
    test: float


Scores = dict[tuple[str, int], float]
"""Test scores of the chosen learning rate by pair and seed."""


class Meter(threading.Thread):
    """The CPU seconds of a process and of all that descend from it, Ray's daemons and workers too, read a few times a second."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._began = time.perf_counter()
        self._cpu: dict[tuple[int, float], float] = {}
        self.start()

    def run(self) -> None:
        while self._process.poll() is None:
            with contextlib.suppress(psutil.Error):
                top = psutil.Process(self._process.pid)
                for each in (top, *top.children(recursive=True)):
                    self._read(each)
            time.sleep(0.2)

    def _read(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            self._cpu[process.pid, process.create_time()] = times.user + times.system

    def seconds(self) -> Seconds:
        """So far."""
        return Seconds(time.perf_counter() - self._began, sum(self._cpu.values()))


def run_ours(home: Path, without: str | None = None) -> Seconds:
    """Of the study in a new home; `without` is one of `CAUSES`."""
    script = [str(HERE / "sweep_without.py"), without] if without else ["-m", "sweeps.cli"]
    command = [sys.executable, *script, "run", str(STUDY), "--home", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True)
    meter = Meter(process)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return meter.seconds()


def scores_of_ours(home: Path) -> Scores:
    """Of all pairs."""
    walk, _ = walk_store(open_study(STUDY, home, None))
    return {
        (str(program.pair), evaluation.seed): test_score(evaluation.manifest)
        for program in walk.programs
        for evaluation in program.evaluations
    }


def test_score(manifest: Manifest) -> float:
    metric = manifest.measurements[0].metric
    return 100 * statistics.mean(each.value for each in manifest.measurements if each.metric == metric)


class PeerWork(NamedTuple):
    """What the peer is given, and what its predictions are scored with."""

    content: dict[str, Any]
    scored: dict[str, dict[str, DataSpec]]
    """By pair, then by `dev` or language."""


def prepare_peer(opened: Opened, folder: Path, num_pairs: int | None) -> PeerWork:
    """Prepares all examples, and writes where they are."""
    programs = plan_study(opened.builder)
    order = np.random.default_rng(0).permutation(len(programs))
    of_pairs = [place for place in order if programs[place].pair.intermediate != BASELINE][:num_pairs]
    of_baseline = [place for place in order if programs[place].pair.intermediate == BASELINE][: None if num_pairs is None else 1]
    pairs, scored = {}, {}
    for number, program in ((int(place), programs[place]) for place in sorted(of_pairs + of_baseline)):
        name = str(program.pair)
        pairs[name], scored[name] = _pair(opened, program, folder, folder / f"pair{number}")
    rates = SPACES.load(opened.study.search.space)[RATE].choices
    seeds = [opened.study.seed + number for number in range(opened.study.search.replicates)]
    return PeerWork({"learning_rates": list(rates), "seeds": seeds, "pairs": pairs}, scored)


def _pair(opened: Opened, program: PairProgram, folder: Path, out: Path) -> tuple[dict[str, Any], dict[str, DataSpec]]:
    intermediate = next((stage for stage in program.shared_stages() if isinstance(stage, TrainSpec)), None)  # one a seed
    target, evaluation = program.typical_stages({RATE: 1.0})
    assert target is not None
    source = opened.builder.initial_encoder(program.pair.model).folder
    assert source is not None
    scored = {"dev": target.mixture[0].dev[0]} | {data.language: data for data in evaluation.data}
    write = functools.partial(_write_features, source=source, max_length=target.max_length, folder=folder)
    stages = {
        name: spec
        and {
            "train": write(spec.mixture[0].train),
            "num_labels": _num_labels(TASKS.load(spec.mixture[0].train.task)),
            "settings": {field: getattr(spec, field) for field in SETTINGS},
        }
        for name, spec in (("intermediate", intermediate), ("target", target))
    }
    return {"encoder": source, **stages, "scored": {name: write(data) for name, data in scored.items()}, "out": str(out)}, scored


def _num_labels(task: Task) -> int:
    return len(task.labels) or 2  # of span questions: first and last


def _write_features(data: DataSpec, source: str, max_length: int, folder: Path) -> str:
    path = folder / f"{data.task}-{data.split}-{data.language}-{data.num_examples}.arrow"
    if not path.exists():
        from transformers import AutoTokenizer  # seconds to import, where nothing is prepared

        write_prepared(path, prepare(data, None, AutoTokenizer.from_pretrained(source), max_length, "score", folder / "cache"))
    return str(path)


class Peer(NamedTuple):
    """What came of the peer."""

    start: Seconds
    """Until Ray was there."""
    pairs: list[Seconds]
    """Of each pair that it did."""
    baseline: list[Seconds]
    """Of each pair without an intermediate."""
    trials: list[dict[str, float]]
    """Seconds by the clock, of each part of each trial with an intermediate."""
    scores: Scores

    def whole(self, num_pairs: int, num_baseline: int) -> Seconds:
        """Of so many pairs with an intermediate, and without one."""
        means = [[statistics.mean(each) for each in zip(*times, strict=True)] for times in (self.pairs, self.baseline)]
        return Seconds(*(start + num_pairs * pair + num_baseline * alone for start, pair, alone in zip(self.start, *means, strict=True)))


def run_peer(work: PeerWork, folder: Path) -> Peer:
    file = folder / "work.json"
    file.write_text(json.dumps(work.content))
    command = [sys.executable, str(HERE / "sweep_peer.py"), str(file)]
    trials, pairs, baseline = [], [], []
    with (folder / "peer.log").open("w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        meter = Meter(process)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready"):
                start = last = meter.seconds()
            elif line.startswith("{"):
                said, now = json.loads(line), meter.seconds()
                is_baseline = work.content["pairs"][said["pair"]]["intermediate"] is None
                (baseline if is_baseline else pairs).append(Seconds(now.clock - last.clock, now.cpu - last.cpu))
                trials += [] if is_baseline else said["trials"]
                last = now
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed: {(folder / 'peer.log').read_text()}")
    names = work.content["pairs"]
    scores = {(name, seed): score for name in names for seed, score in _chosen(work, name).items()}
    return Peer(start, pairs, baseline, trials, scores)


def _chosen(work: PeerWork, name: str) -> dict[int, float]:
    """Test scores by seed, of the learning rate whose mean dev score is best."""
    found = {
        rate: {seed: _score_trial(work, name, rate, seed) for seed in work.content["seeds"]} for rate in work.content["learning_rates"]
    }
    best = max(found, key=lambda rate: statistics.mean(each.dev for each in found[rate].values()))
    return {seed: each.test for seed, each in found[best].items()}


def _score_trial(work: PeerWork, name: str, rate: float, seed: int) -> Score:
    pair = work.content["pairs"][name]
    outputs = np.load(f"{pair['out']}-{rate:g}-{seed}.npz")
    values = {}
    for part, data in work.scored[name].items():
        task = TASKS.load(data.task)
        features = read_prepared(Path(pair["scored"][part])).features
        scored = score(task, task.labels, data.language, load_examples(data, None).examples, features, outputs[part])
        values[part] = 100 * measure(data, scored)[0].value
    return Score(values.pop("dev"), statistics.mean(values.values()))


def compare(ours: Scores, peer: Scores) -> dict[str, Any]:
    """Means of each cell, and the mean of the differences over cells and seeds with its 95% interval."""
    cells = sorted({name for name, _ in peer})
    rows = []
    for name in cells:
        seeds = sorted(seed for each, seed in peer if each == name)
        rows.append((name, [ours[name, seed] for seed in seeds], [peer[name, seed] for seed in seeds]))
    differences = np.array([statistics.mean(mine) - statistics.mean(other) for _, mine, other in rows])
    mean, half = interval(differences)
    table = [
        {"cell": name, "ours": statistics.mean(mine), "peer": statistics.mean(other), "seeds": len(mine)} for name, mine, other in rows
    ]
    halves = [_pooled_half([mine for _, mine, _ in rows]), _pooled_half([other for _, _, other in rows])]
    return {"cells": table, "halves": halves, "difference": mean, "half": half}


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The mean, and half of its 95% interval by Student's distribution."""
    array = np.asarray(values, dtype=float)
    number = len(array)
    return float(array.mean()), float(student.ppf(0.975, number - 1) * array.std(ddof=1) / number**0.5) if number > 1 else float("nan")


def _pooled_half(cells: Sequence[Sequence[float]]) -> float:
    """Half of the 95% interval of a cell's mean; what seeds vary by is taken to be the same in all cells, for each has two of them."""
    num_seeds = len(cells[0])
    freedom = len(cells) * (num_seeds - 1)
    variance = sum(float(np.var(cell, ddof=1)) for cell in cells) / len(cells)
    return float(student.ppf(0.975, freedom) * (variance / num_seeds) ** 0.5)


def report(
    ours: Sequence[Seconds], causes: Mapping[str, Seconds], peer: Peer, num_all: int, num_baseline: int, found: Mapping[str, Any]
) -> dict[str, Any]:
    """Prints everything; returns it. `num_all` pairs have an intermediate, and `num_baseline` have none."""
    whole, without_row = peer.whole(num_all, num_baseline), peer.whole(num_all, 0)
    middle = Seconds(*(statistics.median(each) for each in zip(*ours, strict=True)))
    num_done, num_wanted = len(peer.pairs) + len(peer.baseline), num_all + num_baseline
    said = "" if num_done == num_wanted else f", extrapolated from {num_done} of {num_wanted} pairs"
    print(f"\n{'seconds':32}{'clock':>8}{'CPU':>8}   times ours, by clock and CPU")
    rows = {f"ours, median of {len(ours)}": middle, "documented recipe": whole, "... without the baseline row": without_row} | {
        f"ours without {cause}": of for cause, of in causes.items()
    }
    for name, seconds in rows.items():
        print(f"{name:32}{seconds.clock:8.0f}{seconds.cpu:8.0f}{seconds.clock / middle.clock:12.2f}{seconds.cpu / middle.cpu:8.2f}")
    parts = {part: statistics.mean(trial[part] for trial in peer.trials) for part in peer.trials[0]}
    print(f"the recipe{said}; of a trial: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items()))
    halves = found["halves"]
    print(f"\n{'mean test score of':44}{'ours':>8} ± {halves[0]:.1f}{'recipe':>10} ± {halves[1]:.1f}")
    for row in found["cells"]:
        print(f"  {row['cell']:42}{row['ours']:8.1f}{row['peer']:16.1f}")
    print(f"difference: {found['difference']:+.2f} ± {found['half']:.2f} points, over {len(found['cells'])} cells")
    times = {
        "ours": ours,
        "peer": whole,
        "peer_without_baseline": without_row,
        "peer_pairs": num_done,
        "peer_trial": parts,
        "without": causes,
    }
    return {"seconds_by_clock_and_cpu": times, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, help="of the peer; all by default, in half an hour or more")
    parser.add_argument("--rounds", type=int, default=3, help="of ours: one before the peer, the others after it")
    parser.add_argument("--without", nargs="*", choices=CAUSES, default=CAUSES)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parent)])
    with tempfile.TemporaryDirectory(prefix="polystilts-sweep-") as scratch:
        folder = Path(scratch)
        opened = open_study(STUDY, folder / "planned", None)
        work = prepare_peer(opened, folder, given.pairs)
        ours = [run_ours(folder / "ours0")]
        print(f"ours: {ours[0].clock:.0f} s, {ours[0].cpu:.0f} of CPU", flush=True)
        peer = run_peer(work, folder)
        did = [*peer.pairs, *peer.baseline]
        print(f"documented recipe: {sum(each.clock for each in did):.0f} s for {len(did)} pairs", flush=True)
        ours += [run_ours(folder / f"ours{number}") for number in range(1, given.rounds)]
        causes = {}
        for cause in given.without:
            causes[cause] = run_ours(folder / cause.replace(" ", "-"), cause)
            print(f"without {cause}: {causes[cause].clock:.0f} s, {causes[cause].cpu:.0f} of CPU", flush=True)
        num_targets = len(opened.study.targets)
        num_all = len(opened.study.intermediates) * num_targets
        found = report(ours, causes, peer, num_all, num_targets, compare(scores_of_ours(folder / "ours0"), peer.scores))
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
