"""The throughput benchmarks: what they compare is the same model on the same rows, and the one for GPUs runs with few packages."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOT_ON_GPU_MACHINES = ("ray", "pydantic", "pyarrow", "datasets", "mlflow", "optuna", "peft", "scipy", "pandas", "typer")


def python(folder: Path, *command: str, absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A process that cannot import `absent`."""
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({absent!r}))\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)


def benchmark(folder: Path, script: str, *arguments: str, absent: tuple[str, ...] = ()) -> Any:
    """What a benchmark writes."""
    done = python(folder, str(ROOT / "benchmarks" / script), *arguments, "--json", "found.json", absent=absent)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


def test_what_is_absent_cannot_be_imported(tmp_path: Path) -> None:
    assert "import of pydantic halted" in python(tmp_path, "-c", "import trainables.specs", absent=NOT_ON_GPU_MACHINES).stderr


@pytest.mark.slow
@pytest.mark.parametrize(("absent", "peer"), [((), "Trainer"), (("accelerate",), "plain padded loop (no accelerate)")])
def test_the_gpu_benchmark_runs_small_with_few_packages(absent: tuple[str, ...], peer: str, tmp_path: Path) -> None:
    few = ["--size", "tiny", "--device", "cpu", "--steps", "1", "--rounds", "1", "--profiles", "tagging"]
    found = benchmark(tmp_path, "gpu.py", *few, absent=(*NOT_ON_GPU_MACHINES, *absent))
    assert found["peer"] == peer
    assert set(found["tiny tagging"]) == {"ours", peer}
    assert all(0 < each["utilisation"] < 1.5 for each in found["tiny tagging"].values())


@pytest.mark.slow
def test_our_predictions_are_those_of_trainer(tmp_path: Path) -> None:
    found = benchmark(tmp_path, "eval_throughput.py", "--rows", "12", "--rounds", "1", "--threads", "1", "--precision", "float32")
    assert {name: profile["agreement"]["ours"] for name, profile in found["profiles"].items()} == {"nli": 1.0, "tagging": 1.0, "qa": 1.0}
    assert {profile["agreement"]["Trainer, 64, sorted"] for profile in found["profiles"].values()} == {1.0}


@pytest.mark.slow
def test_training_is_timed_against_each_setting(tmp_path: Path) -> None:
    few = ["--rows", "2", "--rounds", "1", "--threads", "1", "--precision", "float32", "--profiles", "tagging"]
    found = benchmark(tmp_path, "train_throughput.py", *few)["profiles"]["tagging"]
    names = {"ours", "Trainer", "Trainer, grouped", "Trainer, grouped, freed memory kept"}
    assert set(found["seconds"]) == set(found["peak_bytes"]) == names
    assert found["peak_bytes"]["ours"] < found["peak_bytes"]["Trainer"]


@pytest.mark.slow
def test_a_simulated_cluster_runs_a_study_to_its_end(tmp_path: Path) -> None:
    found = benchmark(tmp_path, "simulated_cluster.py", "--intermediates", "1", "--nodes", "20")
    assert found["widest"] == 20
    assert found["stages"] > 500
    assert found["makespan_over_bound"] >= 1.0
