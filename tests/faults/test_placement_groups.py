"""A study that prunes and whose stages are of two workers gives back all that it held on a cluster that goes on without it."""

import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.faults.ray_head import head, samples, watched
from tests.sweeps.processes import command, manifests
from trainables.manifest import Manifest

STUDY = Path(__file__).parents[1] / "sweeps" / "studies" / "every_stage.yaml"
CHANGED = """
targets: [pocket_flavour_class]
search: {space: pocket, trials: 3, replicates: 1, pruning: asha, reduction_factor: 2}
resources: {workers: 2, max_concurrent: 1}
"""
WITHIN_S = 10.0
OF_RAY = "_AutoscalingCoordinatorActor"
"""One for all studies of a cluster: Ray Train starts it beside the first trial, where the driver slots are, and it holds nothing."""

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("dashboard", ["true", "false"])
def test_nothing_is_held_ten_seconds_after_a_study(dashboard: str, tmp_path: Path) -> None:
    study, home, seen = tmp_path / "pruned.yaml", tmp_path / "home", tmp_path / "seen.jsonl"
    study.write_text(yaml.safe_dump(yaml.safe_load(STUDY.read_text()) | yaml.safe_load(CHANGED)))
    options = ("--num-cpus", "2", "--resources", '{"driver_slot": 64}', "--include-dashboard", dashboard)
    with head(*options) as cluster, watched(cluster, seen):
        before = busy_processes(cluster.process)
        done = subprocess.run(command(study, home), capture_output=True, text=True, check=False, env=cluster.environment)
        ended_at_s = time.time()
        assert done.returncode == 0, done.stdout + done.stderr
        time.sleep(WITHIN_S)
        last, left = samples(seen)[-1], busy_processes(cluster.process) - before
    assert last.at_s > ended_at_s
    assert (last.held, set(last.actors) - {OF_RAY}, left) == ((), set(), set())
    assert max(len(sample.held) for sample in samples(seen)) >= 2, "while it ran, a trial and its lane held groups"
    found = [Manifest.model_validate_json(text) for text in manifests(home).values()]
    assert any(each.cost.device_seconds > 1.5 * each.cost.seconds for each in found), "stages were of two workers"
    free = next(sample for sample in samples(seen) if sample.at_s > ended_at_s and not sample.held and set(sample.actors) <= {OF_RAY})
    print(f"all was free {free.at_s - ended_at_s:.1f} s after the end; {last.num_groups} groups had been held")


def busy_processes(head_process: psutil.Process) -> set[str]:
    """The node's own agents, and workers that have something to do; idle ones wait for whoever comes next."""
    names = set()
    for process in head_process.children(recursive=True):
        try:
            names.add(" ".join(process.cmdline()).strip())
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return {name for name in names if name.startswith("ray::") and not name.startswith(("ray::IDLE", f"ray::{OF_RAY}"))}
