"""What a device is called, and the most memory that was used on it."""

import re
from pathlib import Path

import torch

from trainables.allocator import give_back_freed_memory


def reset_peak_memory(device: torch.device) -> None:
    """Begins a new measurement: a process that is used from trial to trial would else report its largest one for all. What is free on a
    CPU goes back to the system, for it would count."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif (switch := Path("/proc/self/clear_refs")).exists():
        give_back_freed_memory()
        switch.write_text("5")  # proc(5): sets the resident set's high-water mark to what is resident now


def peak_memory_bytes(device: torch.device) -> int:
    """The allocator's peak on a GPU, the resident set's on a CPU; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 if found else 0


def device_memory_bytes(device: torch.device) -> int:
    """All that a GPU has; 0 on a CPU, where it is nobody's own."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0


def device_name(device: torch.device) -> str:
    """The name of the GPU, or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpus = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpus.read_text()) if cpus.exists() else None
    return found[1] if found else "cpu"
