"""A study takes a cluster from no worker to as many as it can use, and leaves it with none.

The cluster is Ray's fake one: the autoscaler is the real one, and starts nodes as processes of this machine. Its nodes have CPUs and no
GPU, for no stage could compute on one; to the autoscaler both are a number.
"""

import itertools
import json
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.faults.ray_head import head, is_taken, samples, watched
from tests.sweeps.processes import command, manifests
from trainables.manifest import Manifest

SMALL = Path(__file__).parents[1] / "sweeps" / "studies" / "small.yaml"
CHANGED = """
intermediates: []
targets: {pocket_rank_choice: {training: {epochs: 4}, languages: [qaa]}}
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

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.skipif(is_taken(PORT), reason=f"Ray's fake nodes look for their head at port {PORT}, where somebody listens already"),
]


@pytest.fixture
def home_of_the_head(tmp_path: Path) -> Path:
    """With the cluster's file where `ray up` puts it, so that the study can know what there may be."""
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "ray_bootstrap_config.yaml").write_text(json.dumps(CONFIG))
    return folder


def test_one_study_takes_a_cluster_from_none_to_three_nodes_and_back(home_of_the_head: Path, tmp_path: Path) -> None:
    home, seen = tmp_path / "home", tmp_path / "seen.jsonl"
    options = ("--num-cpus", "0", "--autoscaling-config", str(home_of_the_head / "ray_bootstrap_config.yaml"))
    settings = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "HOME": str(home_of_the_head), "OMP_NUM_THREADS": "1"}
    with head(*options, port=PORT, **settings) as cluster, watched(cluster, seen):
        too_large = write_study(tmp_path / "too_large.yaml", "resources: {cpus_per_worker: 2}")
        done = subprocess.run(command(too_large, home), capture_output=True, text=True, check=False, env=cluster.environment)
        assert done.returncode == 2
        assert "1 workers need 2 CPUs and 0 GPUs each, but the most that this cluster grows to is" in done.stderr
        assert samples(seen)[-1].num_workers == 0
        study = write_study(tmp_path / "fitting.yaml", "")
        done = subprocess.run(command(study, home), capture_output=True, text=True, check=False, env=cluster.environment)
        ended_at_s = time.time()
        assert done.returncode == 0, done.stdout + done.stderr
        while (last := samples(seen)[-1]).num_workers > 0 or last.at_s < ended_at_s:
            assert time.time() - ended_at_s < SCALED_DOWN_WITHIN_S, "nodes are still there"
            time.sleep(0.5)
    assert max(sample.num_workers for sample in samples(seen)) == NUM_WORKERS
    assert last.held == ()
    print(f"back to none {last.at_s - ended_at_s:.0f} s after the end; {shares(seen, home, ended_at_s)}")


def write_study(path: Path, resources: str) -> Path:
    """Six trainings and two evaluations, on the shipped encoder."""
    changed = yaml.safe_load(f"{CHANGED}{resources}")
    path.write_text(yaml.safe_dump(yaml.safe_load(SMALL.read_text()) | changed).replace("../../../", f"{SMALL.parents[3]}/"))
    return path


def shares(seen: Path, home: Path, ended_at_s: float) -> str:
    """How much of the time of all nodes, from their coming to the study's end, was spent in stages."""
    moments = [sample for sample in samples(seen) if sample.at_s <= ended_at_s]
    node_s = sum(before.num_workers * (after.at_s - before.at_s) for before, after in itertools.pairwise(moments))
    stage_s = sum(Manifest.model_validate_json(text).cost.seconds for text in manifests(home).values())
    return f"{stage_s:.0f} s in stages of {node_s:.0f} s of nodes: {stage_s / node_s:.0%}"
