"""Workers die and stages fail: what the machine did is tried again and counted, what the study did is not."""

from pathlib import Path

import pytest

from tests.faults.chaos import STUDY, Toll, Watch, copy_home
from tests.faults.points import PUBLISHING, killed_at
from tests.sweeps.processes import driver, manifests

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
    assert len(errors) == len(list((home / "logs").iterdir())) == 2, "both seeds of the encoder, once each"
    assert all("the loss is nan at step" in line for line in errors)
    assert "computed again" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert set(manifests(home)) == set(manifests(undisturbed)), "the rest of the study is there"
