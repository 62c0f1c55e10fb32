"""The record of a finished stage."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from trainables.specs import Record


def _within(path: str) -> str:
    """A path that stays where it begins: records are read from where others may write."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise ValueError(f"{path!r} leads out of the artifact's folder")
    return path


class FileRecord(Record):
    """One published file, relative to the artifact's folder."""

    path: Annotated[str, AfterValidator(_within)]
    sha256: str
    num_bytes: int


class Measurement(Record):
    """One measured number."""

    task: str
    language: str
    split: str
    metric: str
    """A name in `trainables.metrics`, of a value between 0 and 1; of a benchmark, quantity with its unit, then setting and arm:
    `latency_p50_ms batch 8 length 128 float32 direct`."""
    value: float
    n: int
    """Examples behind it (sentences, questions, pairs); of a benchmark, passes, or what its quantity counts."""


class CurvePoint(Record):
    """The state of a training at one dev evaluation."""

    step: int
    epoch: float
    train_loss: float
    """Mean over the steps since the last point."""
    learning_rate: float
    score: float | None
    """What selection and pruning look at: the mean over the mixture's tasks of each one's first metric on dev."""
    dev: tuple[Measurement, ...]


class DataUse(Record):
    """What a stage made of one set of examples."""

    task: str
    language: str
    split: str
    """With its slice, as in the spec."""
    purpose: Literal["train", "dev", "test", "threshold", "tokenizer", "source", "synthetic"]
    """`source`: others are made of them; `synthetic`: they were made, and what could not be is dropped."""
    num_examples: int
    """Examples that were used, all of a subset's; for retrieval, the texts of both sides."""
    dropped: dict[str, int]
    """Entries that the data set's own rules leave out, by reason, each for one: nothing is made of them. They are counted over the
    whole split, before slice and subset are taken."""
    cut: dict[str, int]
    """Used examples that lost tokens, whose answer cannot be found, or whose written answer is no label, by reason; one can be there for
    several."""


class Cost(Record):
    """What a stage took."""

    started_at: float
    """Seconds since the epoch."""
    seconds: float
    device_seconds: float
    """Seconds times devices: GPUs, or CPU threads where there is none."""
    num_tokens: int
    """Real (non-padding) tokens that went forward."""
    num_examples: int
    peak_memory_bytes: int
    """Allocator's peak on a GPU, resident set on a CPU."""
    device: str
    device_memory_bytes: int = 0
    """All that a GPU has; 0 on a CPU."""


class Effort(Record):
    """What a training worked on and with."""

    num_examples: int
    """In its training data."""
    num_parameters: int
    """Of encoder and heads."""
    num_trained: int
    """Of these, those that the training may change."""
    flops: float
    """As `trainables.flops` counts them."""
    seconds: float
    """Spent on steps alone: no loading, preparing, evaluating or saving."""


class Manifest(Record):
    """Written last, after every file: without a manifest nothing was done."""

    key: str
    status: Literal["done", "pruned"]
    """A pruned trial keeps its curve but has no files."""
    spec: dict[str, Any]
    parents: tuple[str, ...]
    """Keys of the stages that this one read."""
    attempt: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")]
    """Name of the folder below `artifacts/<key>/` that holds the files; no path, for what is there may be deleted."""
    files: tuple[FileRecord, ...]
    files_dropped: bool
    """The files were deleted on purpose, after a search was lost; the numbers stay."""
    measurements: tuple[Measurement, ...]
    """For a training, dev at the kept checkpoint; for an evaluation, every language."""
    curve: tuple[CurvePoint, ...]
    score: float | None
    """The curve's score at the kept checkpoint."""
    data: tuple[DataUse, ...] = ()
    """Every set of examples that the stage read."""
    effort: Effort | None = None
    """None unless it is a training."""
    conditions: dict[str, str] = Field(default_factory=dict)
    """What a benchmark was measured under: device, clock, threads, attention; else empty."""
    cost: Cost
