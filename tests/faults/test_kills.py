"""Drivers die by SIGKILL, at random and at every point between two writes; the plain command then ends as if nothing had happened."""

import random
import secrets
from pathlib import Path

import pytest

from tests.faults.chaos import STUDY, Toll, Watch, copy_home, storm, wrong_runs
from tests.faults.points import ENDING, PUBLISHING, SPOOLING, WALKING, killed_at
from tests.sweeps.processes import manifests, polystilts, run
from trainables.manifest import Manifest

pytestmark = pytest.mark.slow


def test_twenty_random_kills_lose_nothing_and_repeat_nothing(undisturbed: Path, tmp_path: Path) -> None:
    seed = secrets.randbelow(10**6)
    print(f"random.Random({seed})")
    assert storm(STUDY, tmp_path / "home", undisturbed, 20, random.Random(seed)) == Toll(), f"random.Random({seed})"


@pytest.mark.chaos
def test_a_driver_that_dies_between_two_writes_leaves_the_next_one_no_doubt(undisturbed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    watch = Watch(home)
    for point in (WALKING[0], *PUBLISHING, *WALKING[1:3]):  # the others are in benchmarks/chaos.py
        killed_at(point, STUDY, home)
        watch.look()
    run(STUDY, home)
    assert watch.toll(STUDY, undisturbed) == Toll()
    polystilts("cache", "gc", "--home", str(home))
    dropped = [key for key, text in manifests(home).items() if Manifest.model_validate_json(text).files_dropped]
    assert dropped
    assert not [key for key in dropped if listing(home / "store" / "artifacts" / key)], "what the dead left of losers is gone"


@pytest.mark.chaos
def test_a_report_that_is_cut_short_is_written_again(undisturbed: Path, tmp_path: Path) -> None:
    home = copy_home(undisturbed, tmp_path)
    watch = Watch(home)
    for point in ENDING:
        killed_at(point, STUDY, home)
        watch.look()
    run(STUDY, home)
    assert watch.toll(STUDY, undisturbed) == Toll()
    folder, other = (each / "reports" / "faulty" for each in (home, undisturbed))
    assert [name for name in listing(other) if (folder / name).read_bytes() != (other / name).read_bytes()] == []


@pytest.mark.chaos
def test_a_spool_that_was_being_written_or_read_says_nothing_twice(undisturbed: Path, tmp_path: Path) -> None:
    home = copy_home(undisturbed, tmp_path)
    (home / "mlflow.db").unlink()
    killed_at(SPOOLING[0], STUDY, home, MLFLOW_TRACKING_URI="http://127.0.0.1:9")  # the port that discards: nothing listens
    assert len((home / "spool" / "faulty.jsonl").read_text().split()) >= 3
    for point in SPOOLING[1:]:
        killed_at(point, STUDY, home)
    assert not (home / "spool" / "faulty.jsonl").exists()
    run(STUDY, home)
    assert wrong_runs(home, undisturbed, "faulty") == 0


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
