"""Checks a cluster file offline: by Ray's own schema where it has one, and for what keeps a cluster closed and lets a sweep go on."""

import copy
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
_PYTHON = "py311"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BLANK = re.compile(r"YOUR_[A-Z_]+")
_AUTH = "RAY_AUTH_MODE=token"
_TOKEN_FILE = ".ray/auth_token"
_SLOT = '"driver_slot": 64'
_SECRETS = {
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a token of the hub": re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    "a token": re.compile(r"(?<!sha256:)\b[0-9a-f]{64}\b"),
    "a value of a secret": re.compile(r"\b[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|_KEY)=[\"']?[^\s$\"']"),
}
_SECRET_NAME = re.compile(r"(?:[\w-]*_)?(?:token|secret|password|access_key|access_key_id|api_key|credentials)", re.IGNORECASE)
_WORLD = ("0.0.0.0/0", "::/0")


class ClusterFileError(ValueError):
    """A file that cannot be checked at all."""


class Problem(NamedTuple):
    """What is wrong in a cluster file."""

    place: str
    """The path of a field, such as `docker.image`, or a line."""
    what: str
    """With the remedy."""


class Checked(NamedTuple):
    """A cluster file after the check."""

    problems: tuple[str, ...]
    """A line each: file, place, what is wrong and what to do."""
    blanks: tuple[str, ...]
    """What a user has to fill in before the file can be used, a line each."""


def check_cluster_file(path: Path) -> Checked:
    """What is wrong in a file for Ray's cluster launcher, KubeRay or SkyPilot; a ClusterFileError for a file that is none of them."""
    text, documents = _read(path)
    first = documents[0]
    if any(document.get("kind") == "RayJob" for document in documents):
        problems = list(_kuberay(documents))
    elif "provider" in first:
        problems = list(_launcher(first))
    elif "run" in first:
        problems = list(_skypilot(first))
    else:
        raise ClusterFileError(
            f"{path}: holds no provider (Ray's launcher), no kind: RayJob (KubeRay) and no run (SkyPilot); give one of them"
        )
    problems += [*_secrets(text, documents), *_open_to_the_world(documents)]
    blanks = ((place, _BLANK.findall(value)) for place, _, value in _leaves(documents) if isinstance(value, str))
    return Checked(
        tuple(f"{path}: {place}: {what}" for place, what in dict.fromkeys(problems)),
        tuple(f"{path}: {place}: fill in {', '.join(names)}, as the file's first lines say" for place, names in blanks if names),
    )


def _read(path: Path) -> tuple[str, list[dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8")
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except OSError as error:
        raise ClusterFileError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ClusterFileError(f"{path}: {' '.join(str(error).split())}; correct it") from None
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise ClusterFileError(f"{path}: a cluster file is a mapping of fields; give one")
    return text, documents


def _launcher(given: dict[str, Any]) -> Iterator[Problem]:
    """Ray's cluster launcher. Its defaults, such as a dashboard that listens everywhere, are filled in and checked too."""
    config, problem = _prepared(given)
    if problem is not None:
        yield problem
        return
    docker = config.get("docker") or {}
    for field in ("image", "head_image", "worker_image"):
        if field in docker or field == "image":
            yield from _image(f"docker.{field}", docker.get(field))
    options = " ".join(str(option) for option in docker.get("run_options") or ())
    if _AUTH not in options:
        yield Problem("docker.run_options", f"authentication is off; add '--env {_AUTH}'")
    if not any(str(target).endswith(_TOKEN_FILE) for target in config.get("file_mounts") or ()):
        yield Problem("file_mounts", f"no machine gets the token; add /home/ray/{_TOKEN_FILE}: ~/{_TOKEN_FILE}")
    for number, command in enumerate(config["head_start_ray_commands"]):
        yield from _dashboard(f"head_start_ray_commands.{number}", command)
    yield from _node_types(config["available_node_types"], config["head_node_type"])


def _prepared(given: dict[str, Any]) -> tuple[dict[str, Any], Problem | None]:
    """The file with Ray's defaults, and what Ray's schema has against it."""
    from jsonschema import ValidationError  # type: ignore[import-untyped]
    from ray.autoscaler._private.util import prepare_config, validate_config  # seconds to import; no other verb needs it

    logging.getLogger("ray.autoscaler._private.util").setLevel(logging.WARNING)  # it tells of every default
    try:
        config: dict[str, Any] = prepare_config(copy.deepcopy(given))
        validate_config(config)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.absolute_path) or "top"
        return given, Problem(place, f"Ray's schema: {error.message.splitlines()[0]}; correct it")
    except KeyError as error:
        return given, Problem("top", f"Ray's schema: {error} is missing; add it")
    except (ValueError, AssertionError, NotImplementedError, TypeError, AttributeError) as error:
        return given, Problem("top", f"Ray's schema: {' '.join(str(error).split())}; correct it")
    return config, None


def _node_types(types: Mapping[str, Mapping[str, Any]], head: str) -> Iterator[Problem]:
    resources = types[head]["resources"]
    place = f"available_node_types.{head}"
    for name in ("CPU", "GPU"):
        if resources.get(name, 0) or (name == "CPU" and name not in resources):
            found = resources.get(name, "as many as the machine has")
            yield Problem(f"{place}.resources.{name}", f"{found}, so that trials run beside the driver; set it to 0")
    if not resources.get("driver_slot"):
        yield Problem(f"{place}.resources", f"no driver_slot, which stages of several workers hold; add {_SLOT}")
    if _is_spot(types[head]):
        yield Problem(f"{place}.node_config", "a spot machine, and with it goes the driver; take it on demand")
    workers = {name: settings for name, settings in types.items() if name != head}
    for name, settings in workers.items():
        if settings["min_workers"]:
            yield Problem(f"available_node_types.{name}.min_workers", f"{settings['min_workers']} machines that idle; set it to 0")
    spot = [settings for settings in workers.values() if _is_spot(settings)]
    on_demand = {name: settings for name, settings in workers.items() if not _is_spot(settings)}
    if spot and not on_demand:
        yield Problem("available_node_types", "all workers are spot; add a small type on demand, for when there is no spot to be had")
    highest = max((settings.get("priority", 0) for settings in spot), default=None)
    for name, settings in on_demand.items():
        # Ray's autoscaler does not pass over a type whose machines are refused, so what stands behind it is never asked for.
        if highest is not None and settings.get("priority", 0) <= highest:
            yield Problem(
                f"available_node_types.{name}.priority",
                f"{settings.get('priority', 0)}, so that it would wait for spot machines that are refused; set it above {highest}",
            )


def _is_spot(node_type: Mapping[str, Any]) -> bool:
    """On AWS or Google Cloud."""
    config = node_type.get("node_config") or {}
    scheduling = config.get("scheduling") or {}
    parts = scheduling if isinstance(scheduling, list) else [scheduling]
    is_preemptible = any(part.get("provisioningModel") == "SPOT" or part.get("preemptible") for part in parts)
    return is_preemptible or (config.get("InstanceMarketOptions") or {}).get("MarketType") == "spot"


def _kuberay(documents: list[dict[str, Any]]) -> Iterator[Problem]:
    """A RayJob and what stands beside it; Kubernetes checks the rest of its fields."""
    job = next(document for document in documents if document.get("kind") == "RayJob")
    needed = ("apiVersion", "metadata.name", "spec.entrypoint", *(f"spec.rayClusterSpec.{field}" for field in _RAY_CLUSTER_FIELDS))
    if missing := [field for field in needed if _field(job, field) in (None, "", [])]:
        yield from (Problem(field, "is missing; add it") for field in missing)
        return
    if job["apiVersion"] != "ray.io/v1":
        yield Problem("apiVersion", f"{job['apiVersion']}; a RayJob is of ray.io/v1")
    if job["spec"].get("shutdownAfterJobFinishes") is not True:
        yield Problem("spec.shutdownAfterJobFinishes", "the cluster would outlive its study; set it to true")
    place, cluster = "spec.rayClusterSpec", job["spec"]["rayClusterSpec"]
    if str(cluster["rayVersion"]) != _ray_version():
        yield Problem(f"{place}.rayVersion", f"{cluster['rayVersion']}, but constraints.txt has {_ray_version()}; set it to that")
    if _field(cluster, "authOptions.mode") != "token":
        yield Problem(f"{place}.authOptions.mode", "authentication is off; set it to token")
    if cluster.get("enableInTreeAutoscaling") is not True:
        yield Problem(f"{place}.enableInTreeAutoscaling", "workers would neither come nor go; set it to true")
    groups = [("headGroupSpec", cluster["headGroupSpec"])]
    groups += [(f"workerGroupSpecs.{number}", group) for number, group in enumerate(cluster["workerGroupSpecs"])]
    for name, group in groups:
        for param, value in group["rayStartParams"].items():
            if not isinstance(value, str):
                yield Problem(f"{place}.{name}.rayStartParams.{param}", f"{value} is no string, as all values are here; put it in quotes")
        containers = _field(group, "template.spec.containers") or [{}]
        yield from _image(f"{place}.{name}.template.spec.containers.0.image", containers[0].get("image"))
    for name, group in groups[1:]:
        for field in ("replicas", "minReplicas"):
            if group.get(field, 0) != 0:
                yield Problem(f"{place}.{name}.{field}", f"{group[field]} machines that idle; set it to 0")
    if all("spot" in str(_field(group, "template.spec.nodeSelector")) for _, group in groups[1:]):
        yield Problem(f"{place}.workerGroupSpecs", "all workers are spot; add a small group on demand, for when there is no spot to be had")
    yield from _kuberay_head(f"{place}.headGroupSpec", cluster["headGroupSpec"], documents)


_RAY_CLUSTER_FIELDS = ("rayVersion", "headGroupSpec.rayStartParams", "headGroupSpec.template", "workerGroupSpecs")


def _kuberay_head(place: str, head: Mapping[str, Any], documents: list[dict[str, Any]]) -> Iterator[Problem]:
    params = head["rayStartParams"]
    if params.get("num-cpus") != "0":
        yield Problem(f"{place}.rayStartParams.num-cpus", "trials would run beside the driver; set it to '0'")
    if "driver_slot" not in str(params.get("resources")):
        yield Problem(f"{place}.rayStartParams.resources", "no driver_slot, which stages of several workers hold; add driver_slot: 64")
    if head.get("serviceType", "ClusterIP") != "ClusterIP" or head.get("enableIngress"):
        yield Problem(
            place, "the dashboard is reached from outside the Kubernetes cluster; set serviceType: ClusterIP, and no enableIngress"
        )
    labels = _field(head, "template.metadata.labels") or {}
    # KubeRay makes a dashboard listen everywhere where nothing is said.
    if params.get("dashboard-host") not in _LOOPBACK and not any(_closes(document, labels) for document in documents):
        yield Problem(
            f"{place}.rayStartParams.dashboard-host",
            "listens beyond loopback; add a NetworkPolicy on the head's labels that lets in chosen pods alone",
        )


def _closes(document: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a document is a NetworkPolicy that keeps out all but named pods from pods of these labels."""
    selected = _field(document, "spec.podSelector.matchLabels") or {}
    rules = _field(document, "spec.ingress") or []
    return (
        document.get("kind") == "NetworkPolicy"
        and "Ingress" in (_field(document, "spec.policyTypes") or ())
        and bool(selected)
        and selected.items() <= labels.items()
        and all(rule.get("from") and all("podSelector" in peer for peer in rule["from"]) for rule in rules)
    )


def _skypilot(task: dict[str, Any]) -> Iterator[Problem]:
    """A managed job of SkyPilot, whose machines start Ray themselves."""
    resources = task.get("resources") or {}
    for field in ("name", "num_nodes", "resources"):
        if not task.get(field):
            yield Problem(field, "is missing; add it")
    yield from _image("resources.image_id", resources.get("image_id"))
    if resources.get("ports"):
        yield Problem("resources.ports", f"opens {resources['ports']} to the world; leave it out, and forward ports by SSH")
    choices = [choice.get("use_spot", False) for choice in resources.get("any_of") or [resources]]
    if all(choices):
        yield Problem("resources.any_of", "all machines are spot; add - use_spot: false, for when there is no spot to be had")
    if _field(task, "envs.RAY_AUTH_MODE") != "token":
        yield Problem("envs.RAY_AUTH_MODE", "authentication is off; set it to token")
    if "RAY_AUTH_TOKEN" not in (task.get("secrets") or {}):
        yield Problem("secrets", "no machine gets the token; add RAY_AUTH_TOKEN: null, and give it on the command line")
    script = str(task["run"])
    heads = [line for line in script.splitlines() if "ray start" in line and "--head" in line]
    if not heads:
        yield Problem("run", "starts no head; add ray start --head")
    for line in heads:
        yield from _dashboard("run", line)
        if not re.search(r"--num-cpus[= ]0(?!\d)", line):
            yield Problem("run", "the head has CPUs, so that trials run beside the driver; add --num-cpus=0 to ray start --head")
        if "driver_slot" not in line:
            yield Problem("run", f"the head has no driver_slot, which stages of several workers hold; add --resources='{{{_SLOT}}}'")
    if "ray stop" in script:
        yield Problem("run", "ray stop ends SkyPilot's own Ray too; leave it out")


def _image(place: str, image: object) -> Iterator[Problem]:
    wanted = f"{_ray_version()}-{_PYTHON}"
    if not re.search(rf":{re.escape(wanted)}(-|$)", str(image or "")):
        yield Problem(place, f"{image or 'none'}, but constraints.txt is for Ray and Python of a tag {wanted}; take such an image")


def _ray_version() -> str:
    pins = dict(line.split("==") for line in _CONSTRAINTS.read_text(encoding="utf-8").splitlines() if "==" in line)
    return pins["ray"]


def _dashboard(place: str, command: str) -> Iterator[Problem]:
    for host in re.findall(r"--dashboard-host[= ]([^\s;]+)", command):
        if host not in _LOOPBACK:
            yield Problem(place, f"--dashboard-host={host} listens beyond loopback; set it to 127.0.0.1, and forward its port by SSH")


def _secrets(text: str, documents: list[dict[str, Any]]) -> Iterator[Problem]:
    """Keys and tokens, also in comments; they are not repeated."""
    remedy = "take it out, make another one, and let it come from the environment or a file of its own"
    for number, line in enumerate(text.splitlines(), start=1):
        for name, pattern in _SECRETS.items():
            if pattern.search(line):
                yield Problem(f"line {number}", f"{name} stands in the file; {remedy}")
    for place, key, value in _leaves(documents):
        if isinstance(value, str) and value and _SECRET_NAME.fullmatch(key):
            yield Problem(place, f"a secret stands in the file; {remedy}")
    for document in documents:
        if document.get("kind") == "Secret":
            yield Problem("kind: Secret", f"a secret stands in the file; {remedy}")


def _open_to_the_world(documents: list[dict[str, Any]]) -> Iterator[Problem]:
    for place, _, value in _leaves(documents):
        if value in _WORLD:
            yield Problem(place, f"{value} lets everybody in; name the addresses that may come")


def _leaves(value: object, place: str = "", key: str = "") -> Iterator[tuple[str, str, object]]:
    """Every value that holds no other, with its place and its name: an environment variable of Kubernetes has its own."""
    if isinstance(value, dict):
        name = value.get("name") if "value" in value else None
        for child, entry in value.items():
            named = str(name) if child == "value" and name is not None else str(child)
            yield from _leaves(entry, f"{place}.{child}" if place else str(child), named)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            # The documents of a file are not counted, for most have one.
            yield from _leaves(entry, f"{place}.{number}" if place else "", key)
    else:
        yield place, key, value


def _field(content: Mapping[str, Any], place: str) -> Any:
    """The value at a path of names; None where there is none."""
    found: Any = content
    for name in place.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
