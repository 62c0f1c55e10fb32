"""How fast a device runs operations: as its data sheet has it, at an assumed utilisation, or as the trainings in a store did."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from trainables.manifest import Manifest
from trainables.specs import Precision

DeviceName = Literal["h100", "a100", "v100", "cpu"]


class Device(NamedTuple):
    """Peak operations a second: of a GPU as in NVIDIA's data sheets, dense, SXM; of a thread of a server's processor, in round numbers."""

    name: str
    peaks: Mapping[Precision, float]


DEVICES: Mapping[DeviceName, Device] = {
    "h100": Device("H100", {"bfloat16": 989e12, "float32": 67e12}),
    "a100": Device("A100", {"bfloat16": 312e12, "float32": 19.5e12}),
    # it has no units for bfloat16
    "v100": Device("V100", {"bfloat16": 15.7e12, "float32": 15.7e12}),
    "cpu": Device("thread of a processor", {"bfloat16": 60e9, "float32": 60e9}),
}

UTILISATION = 0.3
"""Assumed share of the peak, where no training was measured."""


class Rate(NamedTuple):
    """How fast operations are assumed to run."""

    of: Mapping[Precision, float]
    """Operations a second of one device."""
    words: str
    """What it rests on."""
    device: str | None = None
    """The name of the one that was measured."""


def assumed_rate(device: DeviceName) -> Rate:
    """A device's peak at an assumed utilisation."""
    found = DEVICES[device]
    peaks = ", ".join(f"{peak / 1e12:.3g} TFLOP/s in {precision}" for precision, peak in found.peaks.items())
    words = f"on one {found.name}, assumed at {UTILISATION:.0%} of its peak ({peaks})"
    return Rate({precision: peak * UTILISATION for precision, peak in found.peaks.items()}, words)


def measured_rate(manifests: Iterable[Manifest], device: DeviceName | None, is_gpu: bool) -> Rate | None:
    """The rate of the trainings that were recorded on one kind of device, loading and evaluating included; None if there are none.

    With a `device`, of that one alone; else of the one that did the most, among GPUs or processors as the study asks for.
    """
    flops: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for manifest in manifests:
        name = manifest.cost.device
        is_named = device in (None, "cpu") or DEVICES[device].name in name
        is_wanted = is_named and _is_gpu(name) == (device != "cpu" if device is not None else is_gpu)
        if is_wanted and manifest.effort is not None and manifest.effort.flops > 0 and manifest.cost.device_seconds > 0:
            flops[name] += manifest.effort.flops  # type: ignore[assignment]
            seconds[name] += manifest.cost.device_seconds  # type: ignore[assignment]
            number[name] += 1
    if not flops:
        return None
    name = flops.most_common(1)[0][0]
    rate = flops[name] / seconds[name]
    per = "device" if _is_gpu(name) else "thread"
    words = f"on {name}, measured: {rate / 1e12:.3g} TFLOP/s a {per} over {number[name]} trainings in the store"
    return Rate({"bfloat16": rate, "float32": rate}, words, name)


def _is_gpu(device: str) -> bool:
    return any(word in device for word in ("NVIDIA", "Tesla", "GeForce", *(known.name for known in DEVICES.values())))
