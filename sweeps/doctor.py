"""What stands between a machine and a sweep: libraries, devices, disks, store, MLflow, Ray and the hub, each looked at for real."""

import importlib.metadata
import os
import shutil
import socket
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from sweeps.brakes import MIN_FREE_BYTES
from sweeps.home import Home
from sweeps.processor import computes_in_bfloat16
from sweeps.tracking import tracking_uri
from trainables.store_files import StoreFiles

LIBRARIES = ("torch", "transformers", "datasets", "ray", "optuna", "mlflow", "pyarrow")
_ANSWERS_WITHIN_S = 5.0
_HUB = "https://huggingface.co"

State = Literal["ok", "note", "problem"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    state: State
    """`note`: a sweep works, but not as somebody may expect; `problem`: it does not."""
    text: str


def examine(home: Home) -> Iterator[Finding]:
    """Looks at everything, one thing after another; nothing that it does lasts."""
    for what, look in _LOOKS.items():
        try:
            yield Finding(what, *look(home))
        except Exception as error:  # whatever is broken, the rest is looked at too
            yield Finding(what, "problem", f"{type(error).__name__}: {' '.join(str(error).split())}")


def _python(_home: Home) -> tuple[State, str]:
    return "ok", sys.version.split()[0]


def _libraries(_home: Home) -> tuple[State, str]:
    return "ok", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)


def _processors(_home: Home) -> tuple[State, str]:
    number = len(os.sched_getaffinity(0))
    if computes_in_bfloat16():
        return "ok", f"{number} for this process, which compute in bfloat16 too"
    return "note", f"{number} for this process, which have no instructions for bfloat16: compute in float32 on them"


def _gpus(_home: Home) -> tuple[State, str]:
    import torch  # seconds to import

    if not torch.cuda.is_available():
        return "note", "none that torch can use; gpus_per_worker must be 0 here"
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return "ok", ", ".join(f"{each.name} of {each.total_memory / 1e9:.0f} GB" for each in found)


def _memory(_home: Home) -> tuple[State, str]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return "ok", f"{total / 1e9:.0f} GB"


def _disk(home: Home) -> tuple[State, str]:
    free = shutil.disk_usage(_there(home.root)).free
    text = f"{free / 1e9:.0f} GB are free below {home.root}"
    if free < MIN_FREE_BYTES:
        return "problem", f"{text}, and {MIN_FREE_BYTES / 1e9:g} are kept free: no stage would start"
    return "ok", text


def _store(home: Home) -> tuple[State, str]:
    files, name, content = StoreFiles(home.store), f"doctor-{uuid.uuid4().hex[:8]}", b"polystilts"
    files.write(name, content)
    try:
        if files.read(name) != content:
            return "problem", f"{home.store} does not give back what was written to it"
    finally:
        files.delete(name)
    return "ok", f"{home.store} can be written, read and deleted"


def _mlflow(home: Home) -> tuple[State, str]:
    uri = tracking_uri(home.root)
    if not uri.startswith("http"):
        return "ok", f"{uri}, made at the first run"
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_ANSWERS_WITHIN_S).close()
    except OSError as error:
        return "note", f"{uri} does not answer ({error}); runs go on without it, and `polystilts sync` tells it later"
    return "ok", f"{uri} answers"


def _ray(_home: Home) -> tuple[State, str]:
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        return "ok", "RAY_ADDRESS is not set: a cluster of this machine is started for each run"
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return "ok", f"RAY_ADDRESS is {address}"
    try:
        socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S).close()
    except OSError as error:
        return "problem", f"RAY_ADDRESS is {address}, where nobody answers ({error}); start a cluster there, or unset it"
    return "ok", f"{address} answers"


def _hub(_home: Home) -> tuple[State, str]:
    if os.environ.get("HF_HUB_OFFLINE"):
        return "note", "HF_HUB_OFFLINE is set: models and data sets come from this machine's cache, or from --data"
    endpoint = os.environ.get("HF_ENDPOINT", _HUB)
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=_ANSWERS_WITHIN_S).close()
    except urllib.error.HTTPError:
        return "ok", f"{endpoint} answers"
    except OSError as error:
        return "note", f"{endpoint} cannot be reached ({error}): give models as folders and data by --data"
    return "ok", f"{endpoint} answers"


def _there(path: Path) -> Path:
    """The nearest folder above that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


_LOOKS: dict[str, Callable[[Home], tuple[State, str]]] = {
    "Python": _python,
    "libraries": _libraries,
    "processors": _processors,
    "GPUs": _gpus,
    "memory": _memory,
    "disk": _disk,
    "store": _store,
    "MLflow": _mlflow,
    "Ray": _ray,
    "hub": _hub,
}
