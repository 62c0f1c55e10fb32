"""A cluster that grows with a study and shrinks again, on one machine, and how much of its nodes' time the study used.

The cluster is Ray's fake one: the autoscaler is the real one, and starts nodes as processes of this machine. Its nodes have CPUs and no
GPU, for no stage could compute on one; to the autoscaler both are a number.
"""

import contextlib
import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.faults.ray_head import Head, head, samples, watched
from tests.sweeps.processes import command, manifests
from trainables.manifest import Manifest

SMALL = Path(__file__).parents[1] / "sweeps" / "studies" / "small.yaml"
CHANGED = """
intermediates: []
search: {space: pocket, trials: 3, parallel: 3, replicates: 2}
"""
PORT = 6379
"""The only one at which Ray's fake nodes look for their head."""
NUM_WORKERS = 3
CONFIG = {
    "cluster_name": "fake",
    "max_workers": NUM_WORKERS,
    "idle_timeout_minutes": 0.1,
    "upscaling_speed": 10.0,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": NUM_WORKERS},
    },
    "head_node_type": "ray.head.default",
    **{key: {} for key in ("auth", "docker", "file_mounts", "head_node", "worker_nodes")},
    **{key: [] for key in ("cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands")},
    **{key: [] for key in ("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")},
}
SCALED_DOWN_WITHIN_S = 60


class NodeTime(NamedTuple):
    """Of all nodes, from the coming of the first to the end of the study."""

    most_nodes: int
    node_s: float
    stage_s: float
    """Of that, spent in stages."""
    until_none_s: float
    """From the end of the study to the end of the last node."""
    held: tuple[str, ...]
    """Placement groups that are left then."""

    @property
    def share(self) -> float:
        return self.stage_s / self.node_s


@contextlib.contextmanager
def growing_cluster(folder: Path) -> Iterator[tuple[Head, Path]]:
    """Of no worker at first, and the file in which is written what it has and holds. The file that it was made from lies where `ray up`
    puts it, so that a study can know what there may be."""
    user = folder / "user"
    user.mkdir()
    config, seen = user / "ray_bootstrap_config.yaml", folder / "seen.jsonl"
    config.write_text(json.dumps(CONFIG))
    settings = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "HOME": str(user), "OMP_NUM_THREADS": "1"}
    with head("--num-cpus", "0", "--autoscaling-config", str(config), port=PORT, **settings) as cluster, watched(cluster, seen):
        yield cluster, seen


def run_and_wait_for_no_nodes(cluster: Head, seen: Path, study: Path, home: Path) -> NodeTime:
    """Runs a study, which must end well, and waits until its nodes have gone."""
    done = subprocess.run(command(study, home), capture_output=True, text=True, check=False, env=cluster.environment)
    ended_at_s = time.time()
    assert done.returncode == 0, done.stdout + done.stderr
    while (last := samples(seen)[-1]).num_workers > 0 or last.at_s < ended_at_s:
        assert time.time() - ended_at_s < SCALED_DOWN_WITHIN_S, "nodes are still there"
        time.sleep(0.5)
    moments = [sample for sample in samples(seen) if sample.at_s <= ended_at_s]
    return NodeTime(
        max(sample.num_workers for sample in moments),
        sum(before.num_workers * (after.at_s - before.at_s) for before, after in itertools.pairwise(moments)),
        sum(Manifest.model_validate_json(text).cost.seconds for text in manifests(home).values()),
        last.at_s - ended_at_s,
        last.held,
    )


def write_study(path: Path, epochs: int, resources: str = "") -> Path:
    """Six trainings and two evaluations, on the shipped encoder."""
    target = f"targets: {{pocket_rank_choice: {{training: {{epochs: {epochs}}}, languages: [qaa]}}}}\n"
    changed = yaml.safe_load(f"{CHANGED}{target}{resources}")
    path.write_text(yaml.safe_dump(yaml.safe_load(SMALL.read_text()) | changed).replace("../../../", f"{SMALL.parents[3]}/"))
    return path
