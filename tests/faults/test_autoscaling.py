"""A study takes a cluster from no worker to as many as it can use, and leaves it with none."""

import subprocess
from pathlib import Path

import pytest

from tests.faults.autoscaled import NUM_WORKERS, PORT, growing_cluster, run_and_wait_for_no_nodes, write_study
from tests.faults.ray_head import is_taken, samples
from tests.sweeps.processes import command

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.skipif(is_taken(PORT), reason=f"Ray's fake nodes look for their head at port {PORT}, where somebody listens already"),
]


def test_one_study_takes_a_cluster_from_none_to_three_nodes_and_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with growing_cluster(tmp_path) as (cluster, seen):
        too_large = write_study(tmp_path / "too_large.yaml", 4, "resources: {cpus_per_worker: 2}")
        done = subprocess.run(command(too_large, home), capture_output=True, text=True, check=False, env=cluster.environment)
        assert done.returncode == 2
        assert "1 workers need 2 CPUs and 0 GPUs each, but the most that this cluster grows to is" in done.stderr
        assert samples(seen)[-1].num_workers == 0
        spent = run_and_wait_for_no_nodes(cluster, seen, write_study(tmp_path / "fitting.yaml", 4), home)
    assert spent.most_nodes == NUM_WORKERS
    assert spent.held == ()
