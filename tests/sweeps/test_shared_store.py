"""Studies that share a store: each stage is built once, by whoever lives; a run at its limit goes on with the same command."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.sweeps.processes import environment

ENCODER = Path(__file__).parents[2] / "trainables/pocket/encoder"
STUDY = f"""
source_language: qaa
models:
  pocket: {{family: xlm_roberta, folder: {ENCODER}}}
intermediates: [pocket_flavour_all]
targets: {{pocket_flavour_class: {{training: {{epochs: 1}}}}}}
intermediate_training: {{steps: 10, learning_rate: 5e-4, max_length: 64, num_evals: 1, keep: last}}
target_training: {{max_length: 64, num_evals: 2, keep: last}}
search: {{space: pocket_two_rates, sampler: grid, trials: 2, replicates: 2, pruning: none}}
encoder_seeds: paired
"""
NUM_STAGES = 2 + 8 + 4


def start(folder: Path, name: str, *words: str, changes: Mapping[str, str] = MappingProxyType({})) -> subprocess.Popen[str]:
    """`polystilts run` of a study of this name, in a home of its own, on the store that all share."""
    path, text = folder / f"{name}.yaml", STUDY
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(f"name: {name}\n{text}")
    command = [
        sys.executable,
        "-m",
        "sweeps.cli",
        "run",
        str(path),
        "--home",
        str(folder / f"home_{name}"),
        "--store",
        str(folder / "store"),
    ]
    return subprocess.Popen([*command, "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def end(process: subprocess.Popen[str]) -> tuple[int, dict[str, object], str]:
    """Exit code, what it printed as JSON, and what it said beside."""
    out, errors = process.communicate(timeout=300)
    return process.returncode, json.loads(out) if out else {}, errors


def wait_for(folder: Path, num_stages: int) -> None:
    until = time.monotonic() + 200
    while len(list((folder / "store/manifests").glob("[!.]*.json"))) < num_stages:
        assert time.monotonic() < until, "no driver came so far"
        time.sleep(0.05)


def attempts(folder: Path) -> dict[str, str]:
    """By stage in the store, the attempt that counts."""
    records = (json.loads(path.read_bytes()) for path in (folder / "store/manifests").glob("[!.]*.json"))
    return {record["key"]: record["attempt"] for record in records}


def num_attempts(folder: Path) -> set[int]:
    """How often files of a stage were published, of those that have some."""
    return {len(list(path.iterdir())) for path in (folder / "store/artifacts").iterdir()}


@pytest.mark.slow
def test_each_stage_is_built_by_one_of_two_drivers_and_a_dead_one_is_followed(tmp_path: Path) -> None:
    first = start(tmp_path, "first")
    wait_for(tmp_path, 1)
    second = start(tmp_path, "second")
    wait_for(tmp_path, 4)
    third = start(tmp_path, "first")  # the file is the same, and so is the home: refused by its name
    code, _, errors = end(third)
    assert code == 2
    assert f"study 'first' is being run in {tmp_path / 'home_first'} by process {first.pid}" in errors
    wait_for(tmp_path, NUM_STAGES - 6)
    before = attempts(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    code, found, errors = end(second)
    assert code == 0, errors
    after = attempts(tmp_path)
    assert len(after) == NUM_STAGES
    assert {key: after[key] for key in before} == before, "nothing that was there is computed again"
    assert int(str(found["trained"])) < NUM_STAGES

    code, found, _ = end(start(tmp_path, "first"))
    assert (code, found["trained"]) == (0, 0)
    assert num_attempts(tmp_path) == {1}
    assert list((tmp_path / "store/leases").glob("*.*")) == []


@pytest.mark.slow
def test_a_run_pauses_at_its_limit_with_a_checkpoint_and_the_same_command_goes_on(tmp_path: Path) -> None:
    one_long_encoder = {"steps: 10": "steps: 1000", "trials: 2, replicates: 2": "trials: 1, replicates: 1"}
    code, found, errors = end(start(tmp_path, "limited", "--max-hours", "0.004", changes=one_long_encoder))
    assert code == 3, errors
    assert "device-hours were used, and --max-hours is 0.004; the same command goes on" in errors
    assert list((tmp_path / "store/progress").glob("train-*/step-*.pt")), "two minutes after its start it would have written the first"
    num_done = int(str(found["trained"]))
    code, found, errors = end(start(tmp_path, "limited", changes=one_long_encoder))
    assert (code, found["trained"]) == (0, 5 - num_done), errors
    assert num_attempts(tmp_path) == {1}
