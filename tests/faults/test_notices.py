"""A node says that it will be taken away: what it trains goes on elsewhere, at the step at which it ended here."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from tests.faults.ray_head import Head, head, node
from tests.sweeps.processes import command, manifests

FAULTY = Path(__file__).parent / "studies" / "faulty.yaml"
LONG = {
    "intermediates": {"pocket_rank_class": {"training": {"steps": 1500}}},
    "targets": {"pocket_retrieval": {"test": "test[:60]", "languages": ["qab"]}},
    "search": {"space": "pocket", "trials": 1, "replicates": 1},
}
IMPORTS_S = 12

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture(params=[1, 2])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One long training on one worker or on two."""
    path = tmp_path / "noticed.yaml"
    changed = yaml.safe_load(FAULTY.read_text()) | LONG | {"name": "noticed", "resources": {"workers": request.param}}
    path.write_text(yaml.safe_dump(changed).replace("../../../", f"{FAULTY.parents[3]}/"))
    return path


@pytest.fixture
def cluster() -> Iterator[Head]:
    with head("--num-cpus", "0", "--resources", '{"driver_slot": 4}', OMP_NUM_THREADS="1") as found:
        yield found


def test_a_training_leaves_a_node_that_is_reclaimed_at_its_next_step(study: Path, cluster: Head, tmp_path: Path) -> None:
    home, said = tmp_path / "home", tmp_path / "said"
    with node(cluster, "--num-cpus", "2") as first, said.open("w") as file:
        sweep = subprocess.Popen(command(study, home), stdout=file, stderr=file, env=cluster.environment)
        wait_for(lambda: is_training(first), sweep)
        with node(cluster, "--num-cpus", "2"):
            noticed_at_s = time.monotonic()
            first.terminate()
            wait_for(lambda: any((home / "store" / "progress").glob("train-*/**/step-*.pt")), sweep)
            print(f"a checkpoint {time.monotonic() - noticed_at_s:.1f} s after the notice")
            assert sweep.wait(300) == 0, said.read_text()
    printed = said.read_text()
    assert 1 <= printed.count("node reclaimed: ") <= 2, "by the one that trained, and by one that was warm beside it"
    assert re.search(r"computed again .*because a node was reclaimed\.", printed)
    assert "Traceback" not in printed
    assert any(key.startswith("train-") for key in manifests(home))


def is_training(node: psutil.Popen) -> bool:
    """Whether some worker of a node has computed for longer than its imports take."""
    workers = [process for process in node.children(recursive=True) if process.name().startswith("ray::")]
    return any(worker.cpu_times().user > IMPORTS_S for worker in workers)


def wait_for(is_so: Callable[[], bool], sweep: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 200
    while not is_so():
        assert sweep.poll() is None, "the study has ended before"
        assert time.monotonic() < until
        time.sleep(0.1)
