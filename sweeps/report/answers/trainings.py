"""What the trainings behind a pair cost: those of its encoders and those of its selected point."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sweeps.results import PairResult
from trainables.manifest import Manifest
from trainables.specs import TrainSpec


class TrainingCost(NamedTuple):
    """Means over the seeds of one stage of a recipe, the intermediate or the target training."""

    trained_share: float
    """Of the parameters, those that may change."""
    num_parameters: float
    step_seconds: float
    flops: float
    """Of the whole training."""
    peak_memory_bytes: int


def encoder_trainings(found: PairResult, stages: Mapping[str, Manifest]) -> list[Manifest]:
    """The intermediate trainings that a pair's evaluations began from, each once."""
    keys = dict.fromkeys(evaluation.encoder_key for evaluation in found.evaluations)
    return [stages[key] for key in keys if key is not None and key in stages and stages[key].effort is not None]


def target_trainings(found: PairResult) -> list[Manifest]:
    """The trainings of the selected point, one a seed."""
    return [trial.manifest for trial in found.trials if trial.point == found.selected and trial.manifest.effort is not None]


def cost_of(trainings: Sequence[Manifest]) -> TrainingCost | None:
    """None without trainings."""
    efforts = [(training, training.effort) for training in trainings if training.effort is not None]
    if not efforts:
        return None
    num = len(efforts)
    return TrainingCost(
        trained_share=sum(effort.num_trained / effort.num_parameters for _, effort in efforts) / num,
        num_parameters=sum(effort.num_parameters for _, effort in efforts) / num,
        step_seconds=sum(effort.seconds / max(training.curve[-1].step, 1) for training, effort in efforts if training.curve) / num,
        flops=sum(effort.flops for _, effort in efforts) / num,
        peak_memory_bytes=max(training.cost.peak_memory_bytes for training, _ in efforts),
    )


def num_task_examples(training: Manifest) -> int:
    """The examples of a training's tasks, without what was mixed in at a share of the steps."""
    spec = TrainSpec.model_validate(training.spec)
    tasks = {(entry.train.task, entry.train.split, entry.train.language) for entry in spec.mixture if entry.share is None}
    return sum(use.num_examples for use in training.data if use.purpose == "train" and (use.task, use.split, use.language) in tasks)
