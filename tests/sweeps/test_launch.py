"""How much a cluster is asked for, and what it can never serve."""

import pytest
import yaml

from sweeps.launch import check_node_types, cluster, num_asked_for
from sweeps.node_types import read_node_types
from sweeps.study import Resources, StudyError
from tests.ports import free_port

FILE = """
head_node_type: head
max_workers: 6
available_node_types:
  head: {resources: {CPU: 0, driver_slot: 64}}
  small: {resources: {CPU: 8, GPU: 1}, max_workers: 4}
  large: {resources: {CPU: 32, GPU: 4}, max_workers: 4}
"""
TYPES = read_node_types(yaml.safe_load(FILE))
EMPTY = {"driver_slot": 64.0}


@pytest.mark.parametrize(
    ("resources", "number"),
    [
        ({"cpus_per_worker": 8}, 4 * 4 + 2 + 1),
        ({"cpus_per_worker": 8, "gpus_per_worker": 1}, 4 * 4 + 2 + 1),
        ({"cpus_per_worker": 1, "gpus_per_worker": 0.5}, 4 * 8 + 2 * 2 + 1),
        ({"cpus_per_worker": 16}, 4 * 2 + 1),
        ({"cpus_per_worker": 8, "gpus_per_worker": 1, "workers": 4}, 18 // 4),
    ],
)
def test_a_cluster_that_grows_is_asked_for_all_that_it_can_come_to_hold(resources, number):
    assert num_asked_for(Resources(**resources), EMPTY, TYPES, may_grow=True) == number


def test_a_cluster_that_may_grow_nobody_knows_how_far_is_asked_for_more_than_it_has():
    assert num_asked_for(Resources(), {"CPU": 2.0}, None, may_grow=True) == 65
    assert num_asked_for(Resources(), {"CPU": 1000.0}, None, may_grow=True) == 1001


def test_a_machine_is_asked_for_what_it_has():
    assert num_asked_for(Resources(), {"CPU": 4.0}, None, may_grow=False) == 5
    assert num_asked_for(Resources(workers=2), {"CPU": 4.0}, None, may_grow=False) == 2


@pytest.mark.parametrize(
    "resources",
    [{"cpus_per_worker": 64}, {"cpus_per_worker": 9, "gpus_per_worker": 1, "workers": 17}, {"cpus_per_worker": 33, "gpus_per_worker": 1}],
)
def test_what_no_node_type_can_serve_is_refused(resources):
    with pytest.raises(StudyError, match=r"resources: .* each, but the most that this cluster grows to is .*4 small of 8 CPUs and 1 GPUs"):
        check_node_types(Resources(**resources), TYPES)


def test_what_some_node_type_can_serve_is_not():
    check_node_types(Resources(cpus_per_worker=32, gpus_per_worker=1, workers=4), TYPES)


def test_an_address_where_nobody_listens_is_refused_at_once(monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(StudyError, match=f"RAY_ADDRESS {address}: .*Connection refused"), cluster(Resources()):
        pass
