"""What a study has found so far: a record per pair, read by the report, the tracker and the terminal alike."""

from collections.abc import Mapping
from statistics import fmean
from typing import Literal, NamedTuple

from sweeps.analysis import Analysis
from trainables.manifest import Manifest
from trainables.task import TASKS

BASELINE = "none"
"""The name of the row without intermediate training."""

VARIANT = "base"
"""The name of the variant in which nothing is varied."""

ORACLE = "oracle"
"""The name of the variant whose checkpoints and points are chosen on target-language examples."""

ORACLE_NOTE = "point and checkpoint are chosen on target-language examples, which no zero-shot transfer has"
"""What stands beside every number of that variant."""

LEAK = "leak: "
"""What a leak's mark begins with."""

SEPARATOR = ", "
"""Between the parts of a variant's name."""

Point = Mapping[str, float | int | str]
"""Hyperparameters by the name that they have in the training's spec."""


def is_oracle(variant: str) -> bool:
    """Whether a variant's checkpoints and points are chosen on target-language examples."""
    return ORACLE in variant.split(SEPARATOR)


class PairId(NamedTuple):
    """One cell of a transfer matrix."""

    model: str
    intermediate: str
    """`none` for the baseline."""
    variant: str
    """What else was varied: values of the study's axes, the layer that retrieval embeds with, what selects; `base` where nothing was."""
    target: str

    def __str__(self) -> str:
        variant = "" if self.variant == VARIANT else f" [{self.variant}]"
        return f"{self.model}: {self.intermediate} -> {self.target}{variant}"


class Context(NamedTuple):
    """What a stage is for, in the words of the study."""

    role: str
    """"encoder" for a stage that pairs share, "trial" for a target training, "evaluation" for its scoring."""
    model: str
    intermediate: str | None
    """None for an initial encoder and its pretraining."""
    variant: str
    target: str | None
    seed: int | None
    name: str
    """For people: `xlmr: mnli -> xnli, seed 1, learning_rate 2e-05`."""


class Published(NamedTuple):
    """A number that was published, in points of a hundred; it stands beside measured ones and enters none."""

    model: str
    """The hub's name of the encoder."""
    intermediate: str
    target: str
    """`average` for the mean over the publication's targets."""
    kind: Literal["score", "gain"]
    value: float
    metric: str
    split: str
    source: str
    """Where it was read."""

    @property
    def words(self) -> str:
        """`80.0 (score, accuracy, test)`."""
        value = f"{self.value:+.1f}" if self.kind == "gain" else f"{self.value:.1f}"
        return f"{value} ({self.kind}, {self.metric}, {self.split})"


class Trial(NamedTuple):
    """One target training: a point of the search with one seed."""

    point: Point
    seed: int
    manifest: Manifest
    is_pruned: bool
    """Stopped early, or its point lost before all seeds were trained."""


class Evaluation(NamedTuple):
    """The selected point's replicate (or, for retrieval, an encoder), scored once in every language."""

    seed: int
    manifest: Manifest
    encoder_key: str | None
    """The stage whose encoder the target training began from; None for weights from a hub or a folder."""


class PairResult(NamedTuple):
    """What is known of one pair."""

    pair: PairId
    trials: tuple[Trial, ...]
    """In the order in which they were asked; empty for retrieval, which has no training."""
    selected: Point | None
    """The best point by mean dev score over the seeds; None for retrieval and while the search goes on."""
    evaluations: tuple[Evaluation, ...]
    """One a seed; empty while the pair is unfinished."""
    problem: str | None
    """Why the pair has no result: a stage that failed, by name."""
    baseline: PairId
    """What its gain is measured against; itself in the baseline's row."""
    leaks: tuple[str, ...] = ()
    """What its trainings have seen of the examples that it is scored on."""
    published: tuple[Published, ...] = ()
    """What others measured of this pair."""

    @property
    def marks(self) -> tuple[str, ...]:
        """What stands beside its numbers wherever they are shown: its leaks, and that an oracle chose."""
        oracle = (f"oracle: {ORACLE_NOTE}",) if is_oracle(self.pair.variant) else ()
        return (*(f"{LEAK}{leak}" for leak in self.leaks), *oracle)


def mean_score(result: PairResult) -> float | None:
    """The mean over seeds of the mean over languages of a target's first metric, from 0 to 1; None while the pair is unfinished."""
    metric = TASKS.load(result.pair.target).metrics[0]
    by_seed = [fmean(each.value for each in evaluation.manifest.measurements if each.metric == metric) for evaluation in result.evaluations]
    return fmean(by_seed) if by_seed else None


class BenchmarkResult(NamedTuple):
    """The inference of one pair's winner, timed in turn with that of the pair without intermediate training."""

    pair: PairId
    direct: PairId
    """Whose winner it is compared with."""
    margin: float
    """Latencies whose ratio lies within this part of 1 count as equivalent."""
    architecture: Manifest | None
    """The timing of the model's encoder, whatever its weights; None where it is unfinished, or no fixed length is timed."""
    manifest: Manifest | None
    """None while it is unfinished."""
    problem: str | None
    """Why it has no result."""


class StudyResult(NamedTuple):
    """All pairs of a study, in the order of the study file: targets within intermediates within models."""

    study: str
    description: str
    source_language: str
    pairs: tuple[PairResult, ...]
    encoders: Mapping[str, Manifest]
    """Shared stages by a readable name: initial encoders, pretraining, intermediate trainings."""
    analysis: Analysis | None
    """What the study asks beside the matrix."""
    notes: tuple[str, ...]
    """Caveats that the report must show, one sentence each: assumed defaults, dev used as test."""
    benchmarks: tuple[BenchmarkResult, ...] = ()
    """In the order of the pairs; empty unless the study times inference."""
    published: tuple[Published, ...] = ()
    """What others measured that is of no pair: means over targets, the best of several intermediates."""

    def source_of(self, found: PairResult) -> str:
        """The language that a pair's target trained in: another than the study's where its task has no examples in that one."""
        trained = next((trial.manifest.spec for trial in found.trials), None)
        return self.source_language if trained is None else str(trained["mixture"][0]["train"]["language"])

    @property
    def sources(self) -> tuple[str, ...]:
        """All of these, in order of the pairs."""
        return tuple(dict.fromkeys(self.source_of(found) for found in self.pairs)) or (self.source_language,)
