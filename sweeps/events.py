"""What happens to the stages of a study, as records: what the driver tells MLflow, and what waits on disk while MLflow is down."""

from typing import Annotated, Any, Literal

from pydantic import Field

from trainables.manifest import CurvePoint, Manifest
from trainables.specs import Precision, Record


class RunContext(Record):
    """Where a stage stands in the study."""

    model: str
    intermediate: str | None
    """None without intermediate training."""
    variant: str
    """Empty where the study varies nothing else."""
    target: str | None
    """None for an encoder that several pairs share: random, pretrained or intermediately trained."""
    seed: int | None
    leaks: tuple[str, ...] = ()
    """What the trainings of its pair have seen of the examples that are scored; what was spooled by an older version has none."""


class Started(Record):
    """A stage was handed to a worker."""

    kind: Literal["started"] = "started"
    key: str
    context: RunContext
    spec: dict[str, Any]
    at_s: float
    """Seconds since the epoch."""


class Reported(Record):
    """A training came to a dev evaluation."""

    kind: Literal["reported"] = "reported"
    key: str
    point: CurvePoint


class Finished(Record):
    """A stage is in the store, done or pruned. Enough by itself: nothing else need be known of the stage."""

    kind: Literal["finished"] = "finished"
    context: RunContext
    manifest: Manifest


class Failed(Record):
    """A stage failed for good."""

    kind: Literal["failed"] = "failed"
    key: str
    context: RunContext
    spec: dict[str, Any]
    error: str
    at_s: float
    """Seconds since the epoch."""


class Evaluated(Record):
    """The evaluation of a training is in the store. An evaluation without a training (retrieval) is `Finished` instead."""

    kind: Literal["evaluated"] = "evaluated"
    train_key: str
    context: RunContext
    manifest: Manifest


class Selected(Record):
    """A pair has a winner, and the winner was evaluated."""

    kind: Literal["selected"] = "selected"
    context: RunContext
    """Its seed is None: a pair has many."""
    winners: tuple[Manifest, ...]
    """The replicates of the winning point; empty for retrieval."""
    evaluations: tuple[Manifest, ...]
    num_trials: Annotated[int, Field(ge=0)]
    """Trials the choice was made from: the step of the pair's metrics, so that the choice from more trials is the one shown."""


class Registered(Record):
    """A target has a winner among all rows and variants, and a folder that plain transformers loads it from."""

    kind: Literal["registered"] = "registered"
    name: str
    """Of the registered model: `<study>.<model>.<target>`."""
    stage_key: str
    """Of the training; one version of the model for each."""
    source: str
    """URI of the folder."""
    auto_class: str
    """Of transformers, which loads it."""
    precision: Precision
    """That it was scored in."""
    facts: tuple[str, ...]
    """What a reader of the version has to know, a sentence each."""
    tags: dict[str, str]


class StudyFinished(Record):
    """Nothing is left to run."""

    kind: Literal["study_finished"] = "study_finished"
    status: Literal["FINISHED", "FAILED", "KILLED"]
    """MLflow's words: all stages done, some failed, interrupted."""
    metrics: dict[str, float]
    report: str | None
    """Folder that is copied to the artifacts of the study's run."""
    at_s: float
    """Seconds since the epoch: the end of the last stage, so that a study run again with nothing to do adds nothing."""


Event = Started | Reported | Finished | Failed | Evaluated | Selected | Registered | StudyFinished
