"""The matrix of `benchmarks/sweep.py` by what the documentation of Ray and Hugging Face shows: a Tuner a pair, whose trials launch a
`TorchTrainer` of one worker each, in which `Trainer` trains the intermediate task, if there is one, then the target from that checkpoint,
and predicts.

    python benchmarks/sweep_peer.py WORK

WORK is the file that the benchmark writes. Predictions are left beside it, to be scored when the clock has stopped.

https://docs.ray.io/en/latest/train/user-guides/hyperparameter-optimization.html
https://docs.ray.io/en/latest/train/getting-started-transformers.html
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.train
import ray.train.torch
import ray.tune
import torch
from ray.train.huggingface.transformers import prepare_trainer

ENVIRONMENT = {
    # The documented default looks every 2 s whether a worker has ended.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What costs the peer nothing and saves it time."""


def train_fn_per_worker(config: dict[str, Any]) -> None:
    """Both trainings and the predictions of one trial."""
    # in the worker alone: what drives it needs none of it
    from padded_training import load_for, make_trainer, predict
    from peers import Recipe
    from transformers.utils.logging import disable_progress_bar

    from trainables.feature_file import read_prepared

    started_at = time.time()
    torch.set_num_threads(1)
    disable_progress_bar()
    source = config["encoder"]
    times = {"started": started_at - config["asked_at"]}
    with tempfile.TemporaryDirectory() as scratch:
        for stage in (*(["intermediate"] if config["intermediate"] else []), "target"):
            began = time.time()
            work = config[stage]
            features = read_prepared(Path(work["train"])).features
            recipe = Recipe(precision="float32", **work["settings"])
            model = load_for(features.kind, source, work["num_labels"], recipe.seed)
            trainer = prepare_trainer(make_trainer(model, features, recipe, Path(scratch)))
            trainer.train()
            if stage == "intermediate":
                source = f"{scratch}/intermediate"
                model.save_pretrained(source)
            times[stage] = time.time() - began
        began = time.time()
        outputs = {name: predict(trainer, read_prepared(Path(path)).features) for name, path in config["scored"].items()}
        np.savez(config["out"], **outputs)
        times["predictions"] = time.time() - began
    # not by the guide's optional TuneReportCallback: a trial that has ended may wait for ever for its report to be read
    Path(config["out"]).with_suffix(".json").write_text(json.dumps(times))


def train_driver_fn(config: dict[str, Any]) -> None:
    """A trial: launches its Ray Train run."""
    work = dict(config["pair"])
    rate, seed = config["learning_rate"], config["seed"]
    work["asked_at"] = time.time()
    if work["intermediate"]:
        work["intermediate"] = {**work["intermediate"], "settings": {**work["intermediate"]["settings"], "seed": seed}}
    work["target"] = {**work["target"], "settings": {**work["target"]["settings"], "seed": seed, "learning_rate": rate}}
    work["out"] = f"{work['out']}-{rate:g}-{seed}.npz"
    trainer = ray.train.torch.TorchTrainer(
        train_fn_per_worker,
        train_loop_config=work,
        scaling_config=ray.train.ScalingConfig(num_workers=1),
        run_config=ray.train.RunConfig(
            name=f"train-trial_id={ray.tune.get_context().get_trial_id()}",
            storage_path=config["storage"],
        ),
    )
    trainer.fit()


def main() -> None:
    work = json.loads(Path(sys.argv[1]).read_text())
    os.environ.update(ENVIRONMENT)
    num_cpus = len(os.sched_getaffinity(0))
    # the resource of the drivers is the guide's own advice: with the default of a CPU each, two of them would leave none for workers
    ray.init(address="local", num_cpus=num_cpus, resources={"TRAIN_DRIVER_RESOURCE": 1}, include_dashboard=False, log_to_driver=False)
    print("ready", flush=True)
    for name, pair in work["pairs"].items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as storage:
            tuner = ray.tune.Tuner(
                ray.tune.with_resources(train_driver_fn, {"TRAIN_DRIVER_RESOURCE": 0.01}),
                param_space={
                    "pair": pair,
                    "storage": storage,
                    "learning_rate": ray.tune.grid_search(work["learning_rates"]),
                    "seed": ray.tune.grid_search(work["seeds"]),
                },
                run_config=ray.tune.RunConfig(name="tune", storage_path=storage, verbose=0),
                tune_config=ray.tune.TuneConfig(max_concurrent_trials=num_cpus),
            )
            results = tuner.fit()
        if results.errors:
            raise SystemExit(f"{name}: {results.errors[0]}")
        times = [json.loads(file.read_text()) for file in sorted(Path(sys.argv[1]).parent.glob(f"{Path(pair['out']).name}-*.json"))]
        print(json.dumps({"pair": name, "trials": times}), flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
