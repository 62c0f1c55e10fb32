"""Whole sweeps, as a user runs them: the planted truth is found, nothing is done twice, and a killed driver loses nothing."""

import json
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pyarrow.csv
import pytest

from tests.sweeps.processes import command, environment, manifests, mlflow_runs, polystilts, results, run
from trainables.manifest import Manifest
from trainables.pocket.truth import is_helpful

STUDIES = Path(__file__).parent / "studies"
SMALL = STUDIES / "small.yaml"
SPREAD = {1: set(), 2: {"train", "evaluate"}}
"""Kinds of stages that several devices work on, by the number of workers."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The home of a small study that ran undisturbed."""
    home = tmp_path_factory.mktemp("finished")
    run(SMALL, home)
    return home


def test_the_planted_truth_is_found(finished):
    cells = pyarrow.csv.read_csv(finished / "reports" / "small" / "matrix.csv").to_pylist()
    gains = {(cell["intermediate"], cell["target"]): cell for cell in cells if cell["intermediate"] != "none"}
    assert len(gains) == 4
    for pair, cell in gains.items():
        assert (cell["gain_low"] > 0) == is_helpful([pair[0]], pair[1]), (pair, cell["gain"], cell["gain_low"], cell["gain_high"])


def test_what_the_same_with_other_seeds_will_take_is_known_within_a_quarter(finished, tmp_path):
    study = tmp_path / "other_seeds.yaml"
    text = SMALL.read_text().replace("name: small", "name: other_seeds\nseed: 100")
    study.write_text(text.replace("../../../", f"{STUDIES.parents[2]}/"))
    cost = json.loads(polystilts("plan", str(study), "--home", str(finished), "--json"))["cost"]
    took_h = sum(Manifest.model_validate_json(text).cost.device_seconds for text in manifests(finished).values()) / 3600
    assert abs(cost["expected_device_hours"] - took_h) < took_h / 4
    assert cost["device_hours"] > cost["expected_device_hours"]


def test_every_language_is_above_chance_zero_shot(finished):
    for row in results(finished, "small"):
        if row["split"] == "test":
            chance = 1 / 3 if row["target"] == "pocket_rank_choice" else 1 / row["n"]
            error = (chance * (1 - chance) / row["n"]) ** 0.5
            assert row["value"] > chance + 3 * error, row


def test_mlflow_has_the_study_its_pairs_and_their_trials(finished):
    runs = mlflow_runs(finished, "small")
    roles = Counter(each.data.tags["polystilts.role"] for each in runs)
    assert roles["study"] == 1
    assert roles["pair"] == 3 * 2
    assert roles["encoder"] == 2 * 3
    by_id = {each.info.run_id: each for each in runs}
    for each in runs:
        assert each.info.status in ("FINISHED", "KILLED"), "pruned trials are KILLED"
        if each.data.tags["polystilts.role"] != "study":
            parent = by_id[each.data.tags["mlflow.parentRunId"]].data.tags["polystilts.role"]
            assert parent == ("pair" if each.data.tags["polystilts.role"] == "trial" else "study")
    selected = [each for each in runs if "pocket_rank_choice/qbb/accuracy" in each.data.metrics]
    assert selected, "per-language metrics are on the selected trials"
    assert {"stage_key", "model", "intermediate", "target", "seed"} <= set(selected[0].data.tags)


def test_the_same_command_again_trains_nothing(finished):
    before, table = manifests(finished), results(finished, "small")
    began = time.monotonic()
    printed = run(SMALL, finished)
    assert "Nothing to train" in printed
    assert time.monotonic() - began < 30
    assert manifests(finished) == before
    assert results(finished, "small") == table


def test_a_second_driver_of_the_same_study_is_refused_by_name(tmp_path):
    home = tmp_path / "home"
    first = subprocess.Popen(command(SMALL, home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    lock = home / "locks" / "small.lock"
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.05)
    second = subprocess.run(command(SMALL, home), capture_output=True, text=True, check=False, env=environment())
    first.kill()
    first.wait()
    assert second.returncode == 2
    assert re.search(rf"study 'small' is being run in .* by process {first.pid} on ", second.stderr)


def test_a_flipped_byte_is_found_and_rebuilt(finished, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(finished, home)
    evaluation = next(path for path in sorted((home / "store" / "artifacts").glob("evaluate-*/*/examples.parquet")))
    damaged = bytearray(evaluation.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    evaluation.write_bytes(bytes(damaged))
    printed = run(SMALL, home)
    assert "was altered" in printed
    assert results(home, "small") == results(finished, "small")


def test_a_study_of_two_workers_finds_what_one_finds(tmp_path):
    """Trainings and evaluations by Ray Train, the encoder and its tokenizer in a task: none in the trial, which holds a slot alone."""
    tables, curves = [], []
    for workers in (1, 2):
        study, home = tmp_path / f"{workers}.yaml", tmp_path / f"home_{workers}"
        study.write_text(f"{(STUDIES / 'every_stage.yaml').read_text()}resources: {{workers: {workers}}}\n")
        run(study, home)
        found = [Manifest.model_validate_json(text) for text in manifests(home).values()]
        assert Counter(each.spec["kind"] for each in found) == {"init": 1, "train": 1, "evaluate": 2}
        assert {each.spec["kind"] for each in found if each.cost.device_seconds > 1.5 * each.cost.seconds} == SPREAD[workers]
        tables.append(results(home, "every_stage"))
        curves.append(next([(point.step, point.train_loss) for point in each.curve] for each in found if each.curve))
    assert [{**row, "value": pytest.approx(row["value"], abs=1e-4)} for row in tables[0]] == tables[1]
    for (step, one), (other_step, two) in zip(*curves, strict=True):
        assert step == other_step
        assert two == pytest.approx(one, rel=1e-4)
