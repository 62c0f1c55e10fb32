"""What a cluster that grows can come to have: the node types of the file that it was launched with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

BOOTSTRAP = "ray_bootstrap_config.yaml"
"""In the home folder of the head of a cluster that `ray up` has launched, where its driver runs. Ray tells nobody what it may grow to."""


class NodeType(NamedTuple):
    """Machines of one kind."""

    name: str
    resources: Mapping[str, float]
    """Of one of them."""
    max_nodes: int

    def num_fitting(self, need: Mapping[str, float]) -> int:
        """How often one machine has what is needed."""
        return int(min(self.resources.get(name, 0) // amount for name, amount in need.items() if amount > 0))


class NodeTypes(NamedTuple):
    """All that a cluster may have at once."""

    head: NodeType
    workers: Sequence[NodeType]
    max_workers: int
    """Of all types together."""

    def num_fitting(self, need: Mapping[str, float]) -> int:
        """How often the whole cluster has what is needed, each time on one machine."""
        left, number = self.max_workers, self.head.num_fitting(need)
        for kind in sorted(self.workers, key=lambda kind: kind.num_fitting(need), reverse=True):
            number += min(kind.max_nodes, left) * kind.num_fitting(need)
            left -= min(kind.max_nodes, left)
        return number


def node_types() -> NodeTypes | None:
    """Those of the cluster whose head this machine is; None if it is none, or one that does not grow."""
    path = Path.home() / BOOTSTRAP
    return read_node_types(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.is_file() else None


def read_node_types(config: Mapping[str, Any]) -> NodeTypes:
    """Of a cluster file as Ray completes it."""
    limit = int(config["max_workers"])
    types = {
        name: NodeType(name, kind.get("resources", {}), int(kind.get("max_workers", limit)))
        for name, kind in config["available_node_types"].items()
    }
    head = types.pop(config["head_node_type"])
    return NodeTypes(head._replace(max_nodes=1), list(types.values()), limit)
