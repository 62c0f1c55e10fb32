"""What this machine's processor is bad at."""

import os
from pathlib import Path

from sweeps.study import Study

_WITH_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16", "asimdbf16"}
"""As Linux names them: x86, then ARM."""


def slow_precision(study: Study, flags: frozenset[str] | None = None) -> tuple[str, ...]:
    """A line about a study whose stages would compute in bfloat16 on a processor, the one here, that multiplies it many times more slowly
    than float32; `flags` is what the processor can do."""
    if study.resources.uses_gpus or os.environ.get("RAY_ADDRESS") or computes_in_bfloat16(flags):
        return ()
    trainings = {"intermediate_training": study.intermediate_training, "target_training": study.target_training}
    trainings |= {f"targets.{name}.training": target.training for name, target in study.targets.items()}
    named = [name for name, training in trainings.items() if training.precision == "bfloat16"]
    said = "bfloat16, which this processor has no instructions for, is many times slower than float32 here"
    return (f"{', '.join(named)}: {said}",) if named else ()


def computes_in_bfloat16(flags: frozenset[str] | None = None) -> bool:
    """Whether it has instructions for it; taken for granted where the system does not tell."""
    flags = processor_flags() if flags is None else flags
    return not flags or bool(flags & _WITH_BFLOAT16)


def processor_flags() -> frozenset[str]:
    """Of the first processor; none where the system does not tell."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(found.partition(":")[2].split())
