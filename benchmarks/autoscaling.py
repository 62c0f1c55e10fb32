"""How much of the time of a growing cluster's nodes is spent in stages, from the coming of the first node to the end of the study.

    PYTHONPATH=. python benchmarks/autoscaling.py [--epochs N ...] [--json FILE]

Ray's fake cluster with the real autoscaler: three nodes of one CPU each, on this machine; nodes that are idle for six seconds go. The
study is six trainings of so many epochs, three at once, and two evaluations. What is not spent in stages is a node's start, the imports of
its first stage, and the tail, in which there is work for one node alone: it weighs the less the longer a training takes.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tests.faults.autoscaled import growing_cluster, run_and_wait_for_no_nodes, write_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, nargs="+", default=[4, 60], help="of a training; each number is a study of its own")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    found = []
    for epochs in settings.epochs:
        with tempfile.TemporaryDirectory(prefix="polystilts-nodes-") as scratch, growing_cluster(Path(scratch)) as (cluster, seen):
            spent = run_and_wait_for_no_nodes(cluster, seen, write_study(Path(scratch) / "study.yaml", epochs), Path(scratch) / "home")
        found.append({"epochs": epochs, **spent._asdict(), "share": spent.share})
        print(
            f"{epochs} epochs: 0 to {spent.most_nodes} nodes and back {spent.until_none_s:.0f} s after the end; "
            f"{spent.stage_s:.0f} s in stages of {spent.node_s:.0f} s of nodes: {spent.share:.0%}",
            flush=True,
        )
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
