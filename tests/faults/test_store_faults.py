"""The store's own files are harmed, and the disk is full: found, said in a line, mended by the same command."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.chaos import STUDY, Toll, Watch, copy_home
from tests.sweeps.processes import command, environment, manifests, polystilts, run
from trainables.manifest import Manifest

pytestmark = pytest.mark.slow


def test_what_is_harmed_is_found_set_aside_and_computed_again(undisturbed: Path, tmp_path: Path) -> None:
    home = copy_home(undisturbed, tmp_path)
    found = [Manifest.model_validate_json(text) for text in manifests(home).values()]
    encoder = next(each for each in found if is_intermediate(each))
    winner = next(
        each for each in found if each.spec["kind"] == "train" and each.spec["steps"] == 24 and each.files and not each.files_dropped
    )
    evaluation = next(each for each in found if each.spec["kind"] == "evaluate")
    folders = {each.key: home / "store" / "artifacts" / each.key / each.attempt for each in (encoder, winner)}
    (folders[encoder.key] / "model.safetensors").unlink()
    flip(folders[winner.key] / "model.safetensors")
    for verb in ("status", "plan", "report"):
        polystilts(verb, str(STUDY), "--home", str(home))
    assert len(manifests(home)) == len(found), "whoever only looks changes nothing"
    half = home / "store" / "manifests" / f"{evaluation.key}.json"
    half.write_bytes(half.read_bytes()[:500])

    printed = run(STUDY, home)
    assert f"{evaluation.key}: its manifest cannot be read; it was set aside" in printed
    assert "model.safetensors is missing" in printed
    assert "model.safetensors was altered" in printed
    assert "Stages were computed again 3 times because files in the store were damaged." in printed
    assert {path.name.split(".")[0] for path in (home / "store" / "quarantine").iterdir()} == {encoder.key, winner.key, evaluation.key}
    assert Watch(home).toll(STUDY, undisturbed) == Toll(corrupt=3), "the three that are set aside"


def test_files_that_are_harmed_under_a_run_are_made_again_by_it(undisturbed: Path, tmp_path: Path) -> None:
    home, said = tmp_path / "home", tmp_path / "said"
    (encoder, *_) = (key for key, text in manifests(undisturbed).items() if is_intermediate(Manifest.model_validate_json(text)))
    with said.open("w") as file, subprocess.Popen(command(STUDY, home), stdout=file, stderr=file, env=environment()) as sweep:
        while sweep.poll() is None and encoder not in manifests(home):
            time.sleep(0.01)
        (weights,) = (home / "store" / "artifacts" / encoder).glob("*/model.safetensors")
        flip(weights)
    assert sweep.returncode == 0, said.read_text()
    assert said.read_text().count("files damaged: ") == 1
    assert "A stage was computed again because files in the store were damaged." in said.read_text()
    assert Watch(home).toll(STUDY, undisturbed) == Toll(corrupt=1), "the one that was set aside"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that can be made smaller."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only who may mount a file system can fill one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_is_a_line_and_the_study_goes_on_when_there_is_room(undisturbed: Path, disk: Path, tmp_path: Path) -> None:
    home, said = disk / "home", tmp_path / "said"
    with said.open("w") as file, subprocess.Popen(command(STUDY, home), stdout=file, stderr=file, env=environment()) as sweep:
        while sweep.poll() is None and len(manifests(home)) < 2:
            time.sleep(0.05)
        used_kb = shutil.disk_usage(disk).used // 1024
        subprocess.run(["mount", "-o", f"remount,size={used_kb + 200}k", str(disk)], check=True)
    assert sweep.returncode in (1, 3), "a stage found no room, or none was started any more"
    assert "No space left on device" in said.read_text() or "GB left" in said.read_text()
    assert "Traceback" not in said.read_text()
    subprocess.run(["mount", "-o", "remount,size=4g", str(disk)], check=True)
    run(STUDY, home)
    assert Watch(home).toll(STUDY, undisturbed) == Toll()


def is_intermediate(manifest: Manifest) -> bool:
    """By the number of its steps."""
    return manifest.spec["kind"] == "train" and "stage" not in manifest.spec["encoder"] and manifest.spec["steps"] == 20


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
