"""Nodes go away without grace: the study goes on elsewhere, or when there are some again, and nothing is tried too often or lost."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.chaos import STUDY, Toll, Watch
from tests.faults.ray_head import Head, Nodes, head
from tests.sweeps.processes import MARK, command, manifests

OUTAGE_S = 30.0
WAITS = "no node of the cluster has the 1 CPUs that a stage needs; the study waits for one"

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def cluster() -> Iterator[Head]:
    """A head that computes nothing, as in the shipped files."""
    with head("--num-cpus", "0", "--resources", '{"driver_slot": 64}') as started:
        yield started


def test_a_study_goes_on_when_one_of_two_nodes_is_removed(cluster: Head, undisturbed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Nodes(cluster, tmp_path) as nodes:
        nodes.add()
        nodes.add()
        with sweep(cluster, home) as process:
            wait_for_stages(process, home, 4)
            nodes.remove_busy(process)
    printed = (tmp_path / "said").read_text()
    assert process.returncode == 0, printed
    assert_nodes_are_blamed(home, printed)
    assert Watch(home).toll(STUDY, undisturbed) == Toll()


def test_a_study_outlives_half_a_minute_without_any_node(cluster: Head, undisturbed: Path, tmp_path: Path) -> None:
    home, watch = tmp_path / "home", Watch(tmp_path / "home")
    with Nodes(cluster, tmp_path) as nodes:
        nodes.add()
        nodes.add()
        with sweep(cluster, home) as process:
            wait_for_stages(process, home, 4)
            nodes.remove_busy(process)
            nodes.remove_all()
            watch.look()
            time.sleep(OUTAGE_S)
            assert process.poll() is None, "it waits"
            assert (tmp_path / "said").read_text().count(WAITS) == 1
            nodes.add()
            nodes.add()
    printed = (tmp_path / "said").read_text()
    assert process.returncode == 0, printed
    assert_nodes_are_blamed(home, printed)
    assert watch.toll(STUDY, undisturbed) == Toll()


def sweep(cluster: Head, home: Path) -> "subprocess.Popen[bytes]":
    """A study on the cluster."""
    with (home.parent / "said").open("w") as said:
        return subprocess.Popen(command(STUDY, home), stdout=said, stderr=said, env={**cluster.environment, MARK: str(home)})


def wait_for_stages(process: "subprocess.Popen[bytes]", home: Path, number: int) -> None:
    while len(manifests(home)) < number:
        assert process.poll() is None, "it ended before"
        time.sleep(0.05)


def assert_nodes_are_blamed(home: Path, printed: str) -> None:
    """Each stage that was lost is counted, with its cause, as it happens, at the end and in the report."""
    number = printed.count("node lost: ")
    print(f"{number} stages were lost")
    assert number > 0, printed
    assert "worker lost: " not in printed, printed
    note = "A stage was computed again because a node was lost." if number == 1 else f"Stages were computed again {number} times because"
    assert note in printed
    assert note in (home / "reports" / "faulty" / "report.html").read_text()
