"""Every shipped cluster file passes the offline check, and each rule finds its breach."""

import copy
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from sweeps.cli import app
from sweeps.cluster_files import ClusterFileError, check_cluster_file

ROOT = Path(__file__).parents[2]
AWS = ROOT / "cluster.yaml"
GCP = ROOT / "deploy" / "gcp.yaml"
KUBERAY = ROOT / "deploy" / "kuberay.yaml"
SKYPILOT = ROOT / "deploy" / "skypilot.yaml"
SHIPPED = [AWS, *sorted((ROOT / "deploy").glob("*.yaml"))]
NODES = "available_node_types"
HEAD = "spec.rayClusterSpec.headGroupSpec"
TOKEN = "0123456789abcdef" * 4


def changed(source: Path, folder: Path, place: str, value: object) -> Path:
    """A copy of a file with another value at a place, or without it where that is None; the place begins in the first document."""
    documents = copy.deepcopy(list(yaml.safe_load_all(source.read_text())))
    *path, last = place.split(".")
    found = documents[0]
    for name in path:
        found = found[int(name)] if isinstance(found, list) else found[name]
    key = int(last) if isinstance(found, list) else last
    if value is None:
        del found[key]
    else:
        found[key] = value
    target = folder / source.name
    target.write_text(yaml.safe_dump_all(documents))
    return target


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_file_passes(path):
    assert check_cluster_file(path).problems == ()


@pytest.mark.parametrize(
    ("source", "place", "value", "found"),
    [
        # Ray's schema
        (AWS, "max_workers", "many", r"max_workers: Ray's schema: 'many' is not of type 'integer'"),
        (AWS, "no_such_field", 1, r"top: Ray's schema: .*'no_such_field' was unexpected"),
        (AWS, f"{NODES}.gpu_spot.resources.GPU", 0.5, rf"{NODES}\.gpu_spot\.resources\.GPU: Ray's schema: 0.5 is not of type 'integer'"),
        (AWS, "head_node_type", "boss", r"top: Ray's schema: `head_node_type` must be one of"),
        (AWS, f"{NODES}.gpu_spot.min_workers", 40, r"top: Ray's schema: The specified global `max_workers` is smaller"),
        # no dashboard that listens beyond loopback, also where Ray's own default says so
        (
            AWS,
            "head_start_ray_commands.1",
            "ray start --head --dashboard-host=0.0.0.0",
            r"head_start_ray_commands\.1: --dashboard-host=0\.0\.0\.0",
        ),
        (AWS, "head_start_ray_commands", None, r"head_start_ray_commands\.1: --dashboard-host=0\.0\.0\.0 listens beyond loopback"),
        (GCP, "head_start_ray_commands.1", "ray start --head --dashboard-host ::", r"--dashboard-host=:: listens beyond loopback"),
        (
            SKYPILOT,
            "run",
            "ray start --head --num-cpus=0 --resources='{\"driver_slot\": 1}' --dashboard-host=10.0.0.1",
            r"run: --dashboard-host=10",
        ),
        (SKYPILOT, "resources.ports", 8265, r"resources\.ports: opens 8265 to the world"),
        (
            KUBERAY,
            f"{HEAD}.template.metadata.labels",
            {"app": "other"},
            r"rayStartParams\.dashboard-host: listens beyond loopback; add a NetworkPolicy",
        ),
        (KUBERAY, f"{HEAD}.serviceType", "LoadBalancer", r"headGroupSpec: the dashboard is reached from outside"),
        (
            AWS,
            "provider.security_group",
            {"IpPermissions": [{"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]},
            r"CidrIp: 0\.0\.0\.0/0 lets everybody in",
        ),
        # no keys and tokens
        (AWS, "provider.aws_credentials", {"aws_secret_access_key": "x/y"}, r"aws_secret_access_key: a secret stands in the file"),
        (AWS, "docker.run_options.1", f"--env RAY_AUTH_TOKEN={TOKEN}", r"line \d+: a token stands in the file"),
        (AWS, "setup_commands.0", "export HF_TOKEN=abc; pip install .", r"line \d+: a value of a secret stands in the file"),
        (AWS, "cluster_name", "AKIA" + "ABCDEFGH" * 2, r"line \d+: a key of AWS stands in the file"),
        (GCP, "cluster_name", "hf_" + "ab" * 17, r"line \d+: a token of the hub stands in the file"),
        (GCP, "provider.gcp_credentials", {"type": "service_account", "credentials": "{}"}, r"gcp_credentials\.credentials: a secret"),
        (SKYPILOT, "secrets.RAY_AUTH_TOKEN", "mine", r"secrets\.RAY_AUTH_TOKEN: a secret stands in the file"),
        (KUBERAY, f"{HEAD}.template.spec.containers.0.env", [{"name": "RAY_AUTH_TOKEN", "value": "mine"}], r"env\.0\.value: a secret"),
        (KUBERAY, "kind", "Secret", None),
        # versions of constraints.txt
        (
            AWS,
            "docker.image",
            "rayproject/ray:2.59.0-py311-gpu",
            r"docker\.image: rayproject/ray:2\.59\.0-py311-gpu, but .* a tag 2\.60\.0-py311",
        ),
        (AWS, "docker.image", "rayproject/ray:2.60.0-py312-gpu", r"docker\.image: .*py312-gpu, but"),
        (AWS, "docker.worker_image", "rayproject/ray:latest", r"docker\.worker_image: rayproject/ray:latest, but"),
        (SKYPILOT, "resources.image_id", None, r"resources\.image_id: none, but"),
        (KUBERAY, "spec.rayClusterSpec.rayVersion", "2.9.0", r"rayVersion: 2\.9\.0, but constraints.txt has 2\.60\.0"),
        (KUBERAY, f"{HEAD}.template.spec.containers.0.image", "ray:latest", r"containers\.0\.image: ray:latest, but"),
        # authentication
        (AWS, "docker.run_options", ["--ulimit nofile=65536:65536"], r"docker\.run_options: authentication is off"),
        (AWS, "file_mounts", {"/home/ray/polystilts-source": "."}, r"file_mounts: no machine gets the token"),
        (KUBERAY, "spec.rayClusterSpec.authOptions", {"mode": "disabled"}, r"authOptions\.mode: authentication is off"),
        (SKYPILOT, "envs.RAY_AUTH_MODE", "disabled", r"envs\.RAY_AUTH_MODE: authentication is off"),
        (SKYPILOT, "secrets", None, r"secrets: no machine gets the token"),
        # the head
        (AWS, f"{NODES}.head.resources.CPU", 8, rf"{NODES}\.head\.resources\.CPU: 8, so that trials run beside the driver"),
        (AWS, f"{NODES}.head.resources.CPU", None, rf"{NODES}\.head\.resources\.CPU: as many as the machine has"),
        (AWS, f"{NODES}.head.resources.driver_slot", None, rf"{NODES}\.head\.resources: no driver_slot"),
        (AWS, f"{NODES}.head.node_config.InstanceMarketOptions", {"MarketType": "spot"}, rf"{NODES}\.head\.node_config: a spot machine"),
        (GCP, f"{NODES}.head.node_config.scheduling", [{"preemptible": True}], rf"{NODES}\.head\.node_config: a spot machine"),
        (KUBERAY, f"{HEAD}.rayStartParams.num-cpus", None, r"rayStartParams\.num-cpus: trials would run beside the driver"),
        (KUBERAY, f"{HEAD}.rayStartParams.num-cpus", 0, r"rayStartParams\.num-cpus: 0 is no string"),
        (KUBERAY, f"{HEAD}.rayStartParams.resources", None, r"rayStartParams\.resources: no driver_slot"),
        (SKYPILOT, "run", "ray start --head --num-cpus=8", r"run: the head has CPUs"),
        (SKYPILOT, "run", "ray start --head --num-cpus=0", r"run: the head has no driver_slot"),
        (SKYPILOT, "run", "polystilts run", r"run: starts no head"),
        (SKYPILOT, "run", "ray stop", r"run: ray stop ends SkyPilot's own Ray too"),
        # workers
        (AWS, f"{NODES}.gpu_spot.min_workers", 1, rf"{NODES}\.gpu_spot\.min_workers: 1 machines that idle"),
        (AWS, f"{NODES}.gpu_on_demand", None, rf"{NODES}: all workers are spot"),
        (GCP, f"{NODES}.gpu_on_demand.priority", 0, rf"{NODES}\.gpu_on_demand\.priority: 0, so that it would wait for spot machines"),
        (KUBERAY, "spec.rayClusterSpec.workerGroupSpecs.1.minReplicas", 1, r"workerGroupSpecs\.1\.minReplicas: 1 machines that idle"),
        (KUBERAY, "spec.rayClusterSpec.workerGroupSpecs.0", None, r"workerGroupSpecs: all workers are spot"),
        (KUBERAY, "spec.rayClusterSpec.enableInTreeAutoscaling", None, r"enableInTreeAutoscaling: workers would neither come nor go"),
        (KUBERAY, "spec.shutdownAfterJobFinishes", None, r"shutdownAfterJobFinishes: the cluster would outlive its study"),
        (KUBERAY, "spec.entrypoint", None, r"spec\.entrypoint: is missing; add it"),
        (SKYPILOT, "resources.any_of", [{"use_spot": True}], r"resources\.any_of: all machines are spot"),
        (SKYPILOT, "num_nodes", None, r"num_nodes: is missing; add it"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_each_rule_finds_its_breach(tmp_path, source, place, value, found):
    path = changed(source, tmp_path, place, value)
    if found is None:  # without a RayJob there is nothing that can be checked
        with pytest.raises(ClusterFileError, match=r"kuberay\.yaml: holds no provider"):
            check_cluster_file(path)
        return
    problems = check_cluster_file(path).problems
    assert any(re.search(f"^{re.escape(str(path))}: .*{found}", line) for line in problems), problems
    assert len(problems) <= 2, "one breach, and what it brings about"
    assert not any("\n" in line for line in problems)


def test_a_network_policy_that_lets_in_everybody_closes_nothing(tmp_path):
    job, policy = yaml.safe_load_all(KUBERAY.read_text())
    for rules in ([{"ports": [{"port": 8265}]}], [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]):
        policy["spec"]["ingress"] = rules
        path = tmp_path / "kuberay.yaml"
        path.write_text(yaml.safe_dump_all([job, policy]))
        assert [line for line in check_cluster_file(path).problems if "dashboard-host: listens beyond loopback" in line]


def test_secrets_are_found_in_comments_and_are_not_repeated(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(f"# the token: {TOKEN}\n{AWS.read_text()}")
    (problem,) = check_cluster_file(path).problems
    assert problem.startswith(f"{path}: line 1: a token stands in the file")
    assert TOKEN not in problem


@pytest.mark.parametrize("text", ["", "- a list", "a: [", "name: study\n"], ids=["empty", "list", "syntax", "study"])
def test_what_is_no_cluster_file_is_one_line(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(ClusterFileError) as raised:
        check_cluster_file(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", [AWS, GCP], ids=lambda path: path.name)
def test_ray_s_autoscaler_starts_on_demand_first_and_then_spot(path):
    """As Ray's scheduler decides, not as we read its documentation; nothing is launched."""
    script = f"""
from collections import Counter
import yaml
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

config = AutoscalingConfig(yaml.safe_load(open({str(path)!r})), skip_content_hash=True)
for num_trials in (1, 2, 5, 100):
    demand = ResourceRequestUtil.group_by_count([ResourceRequestUtil.make({{"CPU": 1, "GPU": 1}}) for _ in range(num_trials)])
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=config.get_node_type_configs(),
        max_num_nodes=config.get_max_num_nodes(),
        resource_requests=demand,
    )
    launched = Counter({{each.instance_type: each.count for each in ResourceDemandScheduler().schedule(request).to_launch}})
    print(num_trials, launched["gpu_on_demand"], launched["gpu_spot"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1 1 0", "2 2 0", "5 2 3", "100 2 16"]


def test_the_image_that_is_built_is_of_the_same_versions():
    image = re.search(r"^FROM (\S+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert image is not None
    assert image[1] == yaml.safe_load(AWS.read_text())["docker"]["image"]


def test_the_command_ends_with_2_where_there_are_problems(tmp_path):
    good = CliRunner().invoke(app, ["check-cluster", *map(str, SHIPPED)])
    assert good.exit_code == 0, good.output
    assert Counter(line.split(": ")[-1] for line in good.stdout.splitlines())["is sound"] == len(SHIPPED)
    bad = changed(AWS, tmp_path, "docker.image", "rayproject/ray:latest")
    found = CliRunner().invoke(app, ["check-cluster", str(AWS), str(bad), str(tmp_path / "none.yaml")])
    assert found.exit_code == 2
    assert f"{bad}: docker.image: rayproject/ray:latest" in found.output
    assert f"{tmp_path / 'none.yaml'}: No such file or directory" in found.output
    written = json.loads(CliRunner().invoke(app, ["check-cluster", str(AWS), str(bad), "--json"]).stdout)
    assert (written["sound"], list(written["files"])) == (False, [str(AWS), str(bad)])
    assert [len(each["problems"]) for each in written["files"].values()] == [0, 1]
