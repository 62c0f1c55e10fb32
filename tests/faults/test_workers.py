"""Workers die and stages fail: what the machine did is tried again and counted, what the study did is not."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.chaos import STUDY, Toll, Watch, copy_home
from tests.faults.points import PUBLISHING, Point, dying_at, killed_at
from tests.faults.ray_head import Head, head, title_of
from tests.sweeps.processes import MARK, command, driver, environment, failed_logs, manifests, run

EVERY_STAGE = Path(__file__).parents[1] / "sweeps" / "studies" / "every_stage.yaml"

pytestmark = pytest.mark.slow


def test_a_stage_whose_actor_was_killed_is_computed_again_and_counted(undisturbed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    printed = killed_at(PUBLISHING[0], STUDY, home, worker_alone=True)
    assert printed.count("worker lost: ") == 1
    assert "A stage was computed again because a worker was lost." in printed
    assert "A stage was computed again because a worker was lost." in (home / "reports" / "faulty" / "report.html").read_text()
    assert Watch(home).toll(STUDY, undisturbed) == Toll()


def test_what_would_fail_again_is_not_tried_again(undisturbed: Path, tmp_path: Path) -> None:
    home, study = copy_home(undisturbed, tmp_path), tmp_path / "faulty.yaml"
    diverging = "intermediates:\n  pocket_colour_class: {training: {steps: 20, learning_rate: 1.0e+30}}"
    encoder = Path(__file__).parents[2] / "trainables" / "pocket" / "encoder"
    study.write_text(STUDY.read_text().replace("intermediates:", diverging).replace("../../../trainables/pocket/encoder", str(encoder)))
    done = driver(study, home)
    assert done.returncode == 1
    errors = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert len(errors) == len(failed_logs(home)) == 2, "both seeds of the encoder, once each"
    assert all("the loss is nan at step" in line for line in errors)
    assert "computed again" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert set(manifests(home)) == set(manifests(undisturbed)), "the rest of the study is there"


@pytest.mark.chaos
def test_a_study_of_two_workers_goes_on_when_one_of_them_or_who_asked_for_them_is_killed(tmp_path: Path) -> None:
    studies = [tmp_path / f"workers-{workers}" / "every_stage.yaml" for workers in (1, 2)]
    for workers, study in enumerate(studies, 1):
        study.parent.mkdir()
        study.write_text(f"{EVERY_STAGE.read_text()}resources: {{workers: {workers}}}\n")
    alone, home = (study.parent / "home" for study in studies)
    run(studies[0], alone)
    said, reached = tmp_path / "said", tmp_path / "reached"
    in_a_training = dying_at(Point("trainables.train:remember", "after", 2), reached, worker_alone=True)
    with head("--num-cpus", "2", "--resources", '{"driver_slot": 64}', **in_a_training) as cluster:
        variables = {**cluster.environment, MARK: str(home)}
        with said.open("w") as file, subprocess.Popen(command(studies[1], home), stdout=file, stderr=file, env=variables) as sweep:
            wait_for_lost(1, sweep, said)
            kill_who_asked(cluster, sweep)
            wait_for_lost(2, sweep, said)
    assert reached.exists()
    assert sweep.returncode == 0, said.read_text()
    assert "Stages were computed again 2 times because a worker was lost." in said.read_text()
    assert Watch(home).toll(studies[1], alone) == Toll()


def wait_for_lost(number: int, sweep: "subprocess.Popen[bytes]", said: Path) -> None:
    while said.read_text().count("worker lost: ") < number:
        assert sweep.poll() is None, said.read_text()
        time.sleep(0.05)


def kill_who_asked(cluster: Head, sweep: "subprocess.Popen[bytes]") -> None:
    """Kills the actor of a trial that waits for its workers."""
    while True:
        for process in cluster.process.children(recursive=True):
            if title_of(process).strip() == "ray::ResourceTrainable.train":
                process.kill()
                return
        assert sweep.poll() is None
        time.sleep(0.05)


SMALLEST = f"""
name: smallest
source_language: qaa
models:
  pocket: {{family: xlm_roberta, folder: {Path(__file__).parents[2] / "trainables" / "pocket" / "encoder"}}}
targets: {{pocket_retrieval: {{test: "test[:60]", languages: [qab]}}}}
target_training: {{max_length: 64}}
"""


@pytest.mark.chaos
def test_a_stage_that_runs_out_of_memory_is_tried_again_twice_and_fails_with_a_line(tmp_path: Path) -> None:
    study, home = tmp_path / "smallest.yaml", tmp_path / "home"
    study.write_text(SMALLEST)
    full = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "50"}  # more than that is always in use
    done = driver(study, home, **full)
    assert done.returncode == 1, done.stdout + done.stderr
    (failed,) = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert failed.endswith("its worker was lost 3 times, for example by running out of memory")
    assert done.stdout.count("worker lost: ") == 2
    assert "Stages were computed again 2 times because a worker was lost." in done.stdout
    assert run(study, home).count("worker lost: ") == 0, "with memory it is computed"


def test_a_stage_that_this_machine_can_never_hold_is_refused_in_a_line(tmp_path: Path) -> None:
    study, home = tmp_path / "smallest.yaml", tmp_path / "home"
    study.write_text(f"{SMALLEST}resources: {{cpus_per_worker: 1000}}\n")
    done = subprocess.run(command(study, home), capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("polystilts: resources.cpus_per_worker: a stage needs 1000 CPUs for 1 workers, but this machine has ")
    assert manifests(home) == {}
