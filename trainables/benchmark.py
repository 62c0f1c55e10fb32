"""Times the inference of models that are compared: on the same packed batches, in turn, in blocks, with every single time kept.

What is timed is one forward pass, from token ids on the device to the head's logits there; tokenizing and copying are the same for
all arms and are left out. Three things that can pass for a difference between arms are made noise that averages out:

- drift (clocks, temperature, neighbours): arms take turns on each batch, each goes first equally often, in an order drawn at random;
- where weights happen to lie in memory: a block begins by loading all arms anew, in random order;
- what ran before: settings come in an order of their own in every block.

Legend: `S` sequences, `T` tokens.
"""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from trainables.devices import device_name, peak_memory_bytes, reset_peak_memory
from trainables.features import Features
from trainables.garbage import without_garbage_collection
from trainables.packing import Packed, attention_kernel, pack, take, unit_bounds

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from trainables.specs import Precision


_WATCHED_S = 0.5
"""How long cores are watched for an idle one."""


class Arm(Protocol):
    """What is timed; a `trainables.model.Model` is one."""

    def logits(self, packed: Packed, task: str) -> Tensor: ...

    def hidden(self, packed: Packed, layer: int = -1) -> Tensor: ...


Load = Callable[["Precision"], Arm]
"""Loads an arm onto the device, ready for inference."""


class Setting(NamedTuple):
    """What a time is a time of."""

    language: str
    batch_size: int
    """Sequences; questions in multiple choice, where texts have their own lengths."""
    length: str
    """Tokens of every sequence, or `text`: as long as they are."""
    precision: "Precision"


class Workload(NamedTuple):
    """A setting and its batches: repetition `r` of each block runs batch `r`, on every arm."""

    setting: Setting
    batches: tuple[Features, ...]


class Repetitions(NamedTuple):
    """How often all is measured."""

    blocks: int
    repetitions: int
    """Of each setting in a block; even, so that either arm can go first equally often."""
    warmup: int
    """Untimed passes of each arm before them."""


class Timed(NamedTuple):
    """One pass of one arm."""

    setting: Setting
    block: int
    repetition: int
    place: int
    """0 for the arm that went first on this batch."""
    arm: int
    seconds: float
    num_examples: int
    num_tokens: int
    num_written: int = 0
    """Tokens that a text-to-text model wrote, over all sequences, ends included; 0 where nothing is written."""


class Peak(NamedTuple):
    """The most memory during one pass of one arm, with no other arm loaded."""

    setting: Setting
    arm: int
    used_bytes: int
    """Allocator's peak on a GPU; resident set of the process, libraries included, on a CPU."""
    reserved_bytes: int | None
    """What the allocator held of the GPU at that; None on a CPU."""


def text_batches(features: Features, batch_size: int, num_batches: int, seed: Sequence[int]) -> tuple[Features, ...]:
    """Batches of whole examples with the lengths that they have, drawn at random; with repetition only where a batch has more."""
    random = np.random.default_rng(seed)
    num_units = len(unit_bounds(features)) - 1
    draws = (random.choice(num_units, batch_size, replace=num_units < batch_size) for _ in range(num_batches))
    return tuple(take(features, units) for units in draws)


def fixed_batches(
    stream_T: np.ndarray[tuple[int], np.dtype[np.int32]],
    around: tuple[Sequence[int], Sequence[int]],
    length: int,
    batch_size: int,
    num_batches: int,
    seed: Sequence[int],
) -> tuple[Features, ...]:
    """Batches of sequences of exactly `length` tokens, cut at random places out of `stream_T`, between the special tokens `around`."""
    random = np.random.default_rng(seed)
    prefix, suffix = around
    room = length - len(prefix) - len(suffix)
    assert room > 0, "planning refuses a length without room for text"
    endless = np.resize(stream_T, max(len(stream_T), room) + room)
    return tuple(
        _of_equal_length(endless, prefix, suffix, room, random.integers(0, len(endless) - room, batch_size)) for _ in range(num_batches)
    )


def _of_equal_length(
    stream_T: np.ndarray[tuple[int], np.dtype[np.int32]],
    prefix: Sequence[int],
    suffix: Sequence[int],
    room: int,
    starts_S: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> Features:
    rows = [[*prefix, *stream_T[start : start + room].tolist(), *suffix] for start in starts_S]
    length, number = len(rows[0]), len(rows)
    return Features(
        kind="tagging",  # every token has a tag, so that a tagger says something of all; other heads read no targets without a loss
        token_ids=np.array(rows, np.int32).reshape(-1),
        offsets=np.arange(number + 1, dtype=np.int64) * length,
        second_segment=np.full(number, length, np.int32),
        example=np.arange(number, dtype=np.int32),
        num_examples=number,
        targets=np.zeros(number * length, np.int32),
        char_spans=np.zeros((0, 2), np.int32),
    )


def time_arms(
    loads: Sequence[Load],
    head: str | None,
    workloads: Sequence[Workload],
    often: Repetitions,
    device: torch.device,
    seed: int,
    is_writing: bool = False,
) -> Iterator[Timed]:
    """Every time of every arm, in the order in which they were taken; the head's logits, or without a head the last hidden states.

    `is_writing`: the logits' last column counts the tokens that were written, as `trainables.text_to_text` has it.
    """
    random = np.random.default_rng([seed, 0])
    precisions = list(dict.fromkeys(workload.setting.precision for workload in workloads))
    for block in range(often.blocks):
        for precision in random.permutation(precisions):
            arms = _loaded(loads, str(precision), random.permutation(len(loads)).tolist())  # type: ignore[arg-type]
            mine = [workload for workload in workloads if workload.setting.precision == precision]
            for place in random.permutation(len(mine)):
                yield from _time_setting(arms, head, mine[place], block, often, device, random, is_writing)
            del arms
            _free(device)


def _loaded(loads: Sequence[Load], precision: "Precision", order: Sequence[int]) -> list[Arm]:
    loaded = {arm: loads[arm](precision) for arm in order}
    return [loaded[arm] for arm in range(len(loads))]


def _time_setting(
    arms: Sequence[Arm],
    head: str | None,
    workload: Workload,
    block: int,
    often: Repetitions,
    device: torch.device,
    random: np.random.Generator,
    is_writing: bool,
) -> Iterator[Timed]:
    """The passes of one setting in one block; collected before they are yielded, so that nobody works in between."""
    packs = [_packed(batch, device) for batch in workload.batches]
    for repetition in range(often.warmup):
        for each in arms:
            _seconds(each, packs[repetition % len(packs)], head, device)
    found = []
    with without_garbage_collection():  # in the middle of one arm's pass it would be counted as its time
        for repetition, first in enumerate(_balanced(len(arms), often.repetitions, random)):
            which = repetition % len(packs)
            for place in range(len(arms)):
                arm = (first + place) % len(arms)
                seconds, output = _seconds(arms[arm], packs[which], head, device)
                batch = workload.batches[which]
                num_written = int(output[:, -1].sum()) if is_writing else 0
                counts = (batch.num_examples, len(batch.token_ids), num_written)
                found.append(Timed(workload.setting, block, repetition, place, arm, seconds, *counts))
    yield from found


def _balanced(num_arms: int, repetitions: int, random: np.random.Generator) -> list[int]:
    """The arm that goes first in each repetition: each equally often, in random order."""
    return random.permutation(np.arange(repetitions) % num_arms).tolist()


def _packed(batch: Features, device: torch.device) -> Packed:
    return pack(batch, np.arange(len(batch.second_segment), dtype=np.int64), device)


def _run(arm: Arm, packed: Packed, head: str | None) -> Tensor:
    return arm.hidden(packed) if head is None else arm.logits(packed, head)


def _seconds(arm: Arm, packed: Packed, head: str | None, device: torch.device) -> tuple[float, Tensor]:
    """Of one pass, and what it gave: by the device's own clock on a GPU, where a call returns before its work is done."""
    with torch.inference_mode():
        if device.type == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            torch.cuda.synchronize(device)
            begin.record()
            output = _run(arm, packed, head)
            end.record()
            end.synchronize()
            return float(begin.elapsed_time(end)) / 1000, output
        started = time.perf_counter()
        output = _run(arm, packed, head)
        return time.perf_counter() - started, output


def measure_memory(loads: Sequence[Load], head: str | None, workloads: Sequence[Workload], device: torch.device) -> Iterator[Peak]:
    """The peak of the largest batch of every setting, arm by arm."""
    for arm, load in enumerate(loads):
        for precision in dict.fromkeys(workload.setting.precision for workload in workloads):
            model = load(precision)
            for workload in workloads:
                if workload.setting.precision == precision:
                    packed = _packed(max(workload.batches, key=lambda batch: len(batch.token_ids)), device)
                    _free(device)
                    reset_peak_memory(device)
                    with torch.inference_mode():
                        _run(model, packed, head)
                    reserved = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
                    yield Peak(workload.setting, arm, peak_memory_bytes(device), reserved)
            del model
            _free(device)


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()


@contextlib.contextmanager
def pinned_threads(num_threads: int) -> Iterator[tuple[int, ...]]:
    """Keeps all threads of this process on `num_threads` cores, the idlest ones that it may use, and gives these; none where a system
    cannot."""
    if not hasattr(os, "sched_setaffinity"):
        yield ()
        return
    allowed = os.sched_getaffinity(0)
    before = _idle_ticks()
    time.sleep(_WATCHED_S)
    idle = {core: ticks - before.get(core, 0) for core, ticks in _idle_ticks().items()}
    cores = tuple(sorted(sorted(allowed, key=lambda core: idle.get(core, 0))[-num_threads:]))
    _set_cores(cores)
    try:
        yield cores
    finally:
        _set_cores(tuple(allowed))


def _idle_ticks() -> dict[int, int]:
    """How long each core has been idle since the system began, in hundredths of a second."""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    return {int(words[0][3:]): int(words[4]) for words in lines if words[0][:3] == "cpu" and words[0] != "cpu"}


def _set_cores(cores: Sequence[int]) -> None:
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread may end meanwhile
            os.sched_setaffinity(int(task.name), cores)


def conditions(device: torch.device, precisions: Sequence["Precision"], cores: Sequence[int], has_bias: bool) -> Mapping[str, str]:
    """What times depend on beside the spec, for people and for whoever compares two benchmarks."""
    found = {
        "device": device_name(device),
        "clock": "CUDA events" if device.type == "cuda" else "perf_counter",
        "memory": "CUDA allocator" if device.type == "cuda" else "resident set of the process",
        "threads": str(torch.get_num_threads()),
        "cores": " ".join(map(str, cores)) or "not pinned",
        "torch": torch.__version__,
    }
    found |= {f"attention, {precision}": attention_kernel(device, precision, has_bias) for precision in precisions}
    if device.type == "cuda":
        found["cuda"] = str(torch.version.cuda)
    return found
