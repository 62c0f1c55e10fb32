"""What the engine itself costs a stage that computes next to nothing.

    python benchmarks/engine_overhead.py [--home DIR] [--json FILE]

Prints seconds of wall clock per stage of a sweep of about 200, from command to report, over everything: Ray's start, workers' imports,
MLflow, the report. The second run of the same command, which finds every stage in the store, is timed as well.

Then what lies between two stages where they run one after another, once everything is warm: from the end of what one computes to the
start of the next, in which the one is published, reported and the other handed out. Of one worker and of two, which are in one lane; beside
it, what a Ray Train run for each stage takes beyond what the stage computes. And for how long the report of a dev evaluation holds a
training up.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from sweeps.home import Home
from sweeps.launch import cluster
from sweeps.study import Resources
from trainables.manifest import Manifest
from trainables.specs import Job
from trainables.store import Store

STUDY = """
name: overhead
source_language: qaa
models:
  tiny:
    family: xlm_roberta
    random: {hidden_size: 16, num_layers: 1, num_heads: 2, intermediate_size: 32, vocabulary_size: 400, max_positions: 256,
             dropout: 0.0, tokenizer_text: {pocket_text: {num_examples: 200}}}
intermediates: [pocket_rank_class, pocket_colour_class]
targets:
  pocket_flavour_class: {num_examples: 32, languages: [qaa]}
  pocket_flavour_qa: {num_examples: 32, languages: [qaa]}
intermediate_training: {steps: 1, num_evals: 1}
target_training: {steps: 1, num_evals: 1}
"""
WHOLE = "search: {space: small_encoder, trials: 10, replicates: 3, pruning: none}\n"
IN_TURN = "search: {space: small_encoder, trials: 3, replicates: 1, pruning: none}\n"
NUM_APART = 3
"""Stages that have a Ray Train run each."""
NUM_REPORTS = 21


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--home", type=Path)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = given.home or Path(scratch)
        command = _command(Path(scratch), WHOLE, root / "whole")
        first_s, ran = _timed(command)
        again_s, _ = _timed(command)
        num_stages = ran["trained"]
        print(f"{num_stages} stages in {first_s:.1f} s: {first_s / num_stages:.2f} s per stage; the same command again: {again_s:.1f} s")
        found: dict[str, Any] = {"stages": num_stages, "seconds": first_s, "per_stage_s": first_s / num_stages, "again_s": again_s}
        for workers in (1, 2):
            home = root / f"in_turn_{workers}"
            _timed(_command(Path(scratch), f"{IN_TURN}resources: {{workers: {workers}, max_concurrent: 1}}\n", home))
            between = _between(_spread(home))
            amount = f"{median(between):.2f} s, the median of {len(between)}, {fmean(between):.2f} s on average"
            print(f"between two stages of {workers} workers: {amount}")
            found[f"between_{workers}_workers_s"] = between
        apart = _apart(root / "in_turn_2")
        print(f"a Ray Train run for each stage: {median(apart):.1f} s, the median of {len(apart)}")
        found["ray_train_run_s"] = apart
        held = _reports()
        print(f"a report holds a training up for {1000 * median(held):.0f} ms, the median of {len(held)}, {1000 * max(held):.0f} at most")
        found["report_s"] = held
    if given.json:
        given.json.write_text(json.dumps(found))


def _command(folder: Path, settings: str, home: Path) -> list[str]:
    study = folder / f"{home.name}.yaml"
    study.write_text(STUDY + settings)
    return [sys.executable, "-m", "sweeps.cli", "run", str(study), "--home", str(home), "--json"]


def _timed(command: list[str]) -> tuple[float, dict[str, int]]:
    began = time.monotonic()
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return time.monotonic() - began, json.loads(output)


def _spread(home: Path) -> list[Manifest]:
    """The stages that several workers can share, in the order of their start."""
    store = Store(Home(home).store, Home(home).cache)
    found = [manifest for key in sorted(store.keys()) if (manifest := store.manifest(key)) is not None]
    return sorted((each for each in found if each.spec["kind"] in ("train", "evaluate")), key=lambda each: each.cost.started_at)


def _between(stages: Sequence[Manifest]) -> list[float]:
    """Seconds from the end of each stage to the start of the next."""
    return [after.cost.started_at - before.cost.started_at - before.cost.seconds for before, after in itertools.pairwise(stages)]


def _apart(home: Path) -> list[float]:
    """Seconds that stages of a finished study take beyond what they compute, if each has workers of its own."""
    stages = _spread(home)[:NUM_APART]
    took = []
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # for Ray's workers
    with cluster(Resources(workers=2)):
        from trainables.lane import Lane  # torch and Ray, which the sweeps' own processes load for themselves

        for stage in stages:
            job = _job(home, stage)
            began = time.monotonic()
            lane = Lane()
            for _ in lane.run(job):
                pass
            lane.close()
            again = Store(job.store, Path(job.cache)).manifest(stage.key)
            assert again is not None
            took.append(time.monotonic() - began - again.cost.seconds)
    return took


def _reports() -> list[float]:
    """Seconds for which a trial waits until Tune has taken a dev evaluation, as `sweeps.trial` reports it."""
    with cluster(Resources()):
        from ray.tune import TuneConfig, Tuner

        result = Tuner(_report_often, tune_config=TuneConfig(num_samples=1)).fit()[0]
    held: list[float] = result.metrics["held"]
    return held[1:]  # the first also waits for what Tune does at a trial's start


def _report_often(_config: dict[str, Any]) -> None:
    from ray import tune

    from sweeps.trial import trial_result
    from trainables.manifest import CurvePoint, Measurement

    dev = [Measurement(task="xnli", language="en", split="dev", metric="accuracy", value=0.5, n=2490)]
    held = []
    for step in range(NUM_REPORTS):
        point = CurvePoint(step=step, epoch=0.1, train_loss=1.0, learning_rate=1e-5, score=0.5, dev=tuple(dev))
        began = time.monotonic()
        tune.report(trial_result(point))
        held.append(time.monotonic() - began)
        time.sleep(0.5)
    tune.report({"held": held})


def _job(home: Path, stage: Manifest) -> Job:
    return Job.model_validate(
        {
            "spec": stage.spec,
            "store": Home(home).store,
            "cache": str(Home(home).cache.absolute()),
            "data": None,
            "encoder_folder": None,
            "num_threads": 1,
            "num_workers": 2,
            "use_gpu": False,
            "stop_below": (),
            "checkpoint_every_s": 120.0,
        }
    )


if __name__ == "__main__":
    main()
