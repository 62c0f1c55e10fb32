"""The training loop: intermediate, target, multi-task and masked-language-model training alike.

Everything random is a function of (seed, step), so a training that died goes on from a checkpoint as if nothing had happened.

Legend: `K` optimizer steps.
"""

import math
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from trainables.features import Features
from trainables.flops import ONE_EACH, step_flops
from trainables.frozen_layers import Kept, States, keep_frozen, sum_of_squares
from trainables.heads import num_asked
from trainables.interruption import InterruptedStageError, IsInterrupted, Reason, never
from trainables.layers import Rule, depth_of, is_trained, learning_rate_scale, rule_of, thawed
from trainables.masking import Vocabulary, mask_tokens
from trainables.model import Model
from trainables.packing import take, token_rows, unit_bounds
from trainables.parallel import Spread
from trainables.progress import DevScore, Point, Progress, Saver, is_out_of_patience, remember, resume
from trainables.ranks import as_first_says, gathered
from trainables.schedule import Turn, count_steps, draw_turns, draw_units, space_evals, warm_up_and_decay
from trainables.seeds import derive_seed, generator
from trainables.vocabulary_cut import cut_vocabulary

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from trainables.specs import TrainSpec

CHECK_EVERY_STEPS = 20
"""Losses are looked at this often, for a look makes the CPU wait for the GPU."""


class Effort(NamedTuple):
    """The fields of a manifest's `Effort`."""

    num_examples: int
    num_parameters: int
    num_trained: int
    flops: float
    seconds: float


class Trained(NamedTuple):
    """What a training gives besides the model, which is left with the kept weights."""

    status: Literal["done", "pruned"]
    curve: tuple[Point, ...]
    kept: Point | None
    """The evaluation whose weights were kept; None if there was none."""
    losses_K: NDArray[np.float32]
    """Of the steps that were taken."""
    num_tokens: int
    num_examples: int
    seconds_before: float
    """Spent by attempts that died, up to the checkpoint that this one went on from."""
    effort: Effort


class TaskData(NamedTuple):
    """What one entry of the mixture trains: a task's head, on these features. Two entries may share a task, in two languages."""

    task: str
    features: Features


class Batch(NamedTuple):
    """What a step trains on."""

    task: str
    features: Features
    kept_TD: States | None
    """What the frozen layers give for its tokens, where that is kept."""


class Course(NamedTuple):
    """What is settled before the first step, by the spec and the sizes of the mixture alone."""

    num_units: list[int]
    """Of each entry of the mixture."""
    num_steps: int
    turns: Sequence[Turn]
    eval_steps: Collection[int]

    def num_visits(self, entry: int, batch_size: int) -> float:
        """How often each example of an entry is trained on, in the mean."""
        return sum(turn.entry == entry for turn in self.turns) * batch_size / self.num_units[entry]


def train(
    model: Model,
    spec: "TrainSpec",
    mixture: Sequence[TaskData],
    vocabulary: Vocabulary,
    *,
    evaluate_dev: Callable[[Model], DevScore],
    report: Callable[[Point], None],
    dev_features: Sequence[Features] = (),
    stop_below: Sequence[float | None] = (),
    checkpoints: Path | None = None,
    checkpoint_every_s: float = math.inf,
    fetch_checkpoints: Callable[[Path], None] = lambda _folder: None,
    keep_checkpoints: Callable[[Path], None] = lambda _folder: None,
    is_interrupted: IsInterrupted = never,
    max_tokens: int = 8192,
    shard_on: torch.device | None = None,
) -> Trained:
    """Trains `model` in place on the data of `spec.mixture`, entry for entry.

    Where a process group is up, every rank calls this: each computes its share of every batch and of every evaluation, and all
    report. With `shard_on` they hold the weights in parts, on that device, and only the first rank's model is trained in the end.
    `evaluate_dev` may ask the model about the tokens of the mixture and of `dev_features`, no others. `max_tokens` go forward at
    once, which changes no result. FloatingPointError if a loss is not finite.

    Checkpoints lie below the folder `checkpoints`; where that does not outlive the machine, `keep_checkpoints` copies a folder of them to
    where `fetch_checkpoints` finds it. Where `is_interrupted` gives a reason, on whichever rank, one more is written, and then an
    InterruptedStageError is raised.
    """
    course = settle(spec, mixture)
    num_steps = course.num_steps
    rule = trained = with_adapters(model, spec)
    num_trained = sum(parameter.numel() for name, parameter in model.named_parameters() if is_trained(name, rule, model.num_layers))
    texts = (*(entry.features for entry in mixture), *dev_features)
    cut = cut_vocabulary(model, texts) if rule.has_embeddings else None
    spread = Spread(model, shard_on, max_tokens)
    if spec.batch_size < spread.num_ranks:
        raise ValueError(f"batch_size is {spec.batch_size}, fewer than the {spread.num_ranks} workers that share it")
    spread.freeze(rule)
    optimizer = make_optimizer(spread.model, spec)
    progress = resume(checkpoints, spread, optimizer, fetch_checkpoints) or Progress(
        0, torch.zeros(num_steps), [], None, None, 0, 0, 0.0, 0.0, 0.0
    )
    progress.losses_K = progress.losses_K.to(spread.model.device)
    parameters = list(spread.model.parameters())
    began_at = stepped_at = time.monotonic()
    visits = [course.num_visits(entry, spec.batch_size) for entry in range(len(mixture))]
    kept = [keep_frozen(spread.model, spec, rule, data.features, visits[entry]) for entry, data in enumerate(mixture)]
    progress.flops += sum(each.flops for each in kept)
    spread.model.train()
    seconds_before, is_pruned = progress.seconds, False

    with Saver(checkpoints, checkpoint_every_s, keep_checkpoints) as saver:
        for step in range(progress.step, num_steps):
            learning_rate = set_learning_rate(optimizer, spec, step, num_steps)
            if spec.unfreezing == "gradual" and (now := thawed(rule, step, num_steps, model.num_layers)) != trained:
                trained = now
                spread.freeze(trained)

            batch = next_batch(course, spec, mixture, kept, vocabulary, step)
            progress.losses_K[step] = spread.compute_gradients(
                batch.features, batch.task, derive_seed("dropout", spec.seed, step, spread.rank), batch.kept_TD
            )
            clip_grad_norm_(parameters, spec.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()

            progress.count(batch.features, batch_flops(model, trained, batch))
            is_eval = progress.step in course.eval_steps
            is_last = progress.step == num_steps
            if progress.step % CHECK_EVERY_STEPS and not (is_last or is_eval) and (spread.num_ranks > 1 or is_interrupted() is None):
                continue
            check_finite(progress.losses_K[: progress.step], spec, num_steps)
            progress.step_seconds += time.monotonic() - stepped_at

            if is_eval:
                score, dev = evaluate(spread.model, evaluate_dev)
                since = progress.curve[-1].step if progress.curve else 0
                train_loss = progress.losses_K[since : progress.step].mean().item()
                point = Point(progress.step, progress.num_examples / sum(course.num_units), train_loss, learning_rate, score, dev)
                report(point)
                remember(point, progress, spread if spec.keep == "best" and progress.step < num_steps else None)
                is_pruned = is_below(score, stop_below, len(progress.curve) - 1)
                if is_pruned or is_out_of_patience(spec.patience, progress):
                    break
            reason = None if is_last or checkpoints is None else first_reason(is_interrupted)
            if reason is not None or saver.is_due():
                progress.seconds = seconds_before + time.monotonic() - began_at
                saver.save(spread, optimizer, progress)
            if reason is not None:
                raise InterruptedStageError(reason)
            stepped_at = time.monotonic()

    if spec.keep == "best" and progress.best_weights is not None:
        spread.put_weights(progress.best_weights)
    spread.gather()
    if cut is not None:
        cut.undo(decay_without_gradient(spec, rule, model.num_layers, num_steps, progress.kept_step))
    model.merge_adapters()
    return outcome(progress, spec, "pruned" if is_pruned else "done", seconds_before, effort_of(model, mixture, num_trained, progress))


def settle(spec: "TrainSpec", mixture: Sequence[TaskData]) -> Course:
    """How many steps there are, which entry each one trains, and after which the model is evaluated."""
    num_units = [len(unit_bounds(entry.features)) - 1 for entry in mixture]
    num_steps = count_steps(spec, num_units)
    return Course(num_units, num_steps, draw_turns(spec, num_units, num_steps), space_evals(num_steps, spec.num_evals))


def with_adapters(model: Model, spec: "TrainSpec") -> Rule:
    """What is trained of the model, which is given adapters where these are."""
    rule = rule_of(spec.layers_trained, model.num_layers)
    if rule.adapter_rank:
        torch.manual_seed(derive_seed("adapters", spec.seed))
        model.add_adapters(rule.adapter_rank)
    return rule


def set_learning_rate(optimizer: torch.optim.Optimizer, spec: "TrainSpec", step: int, num_steps: int) -> float:
    """Sets every group to its part of the step's learning rate, and returns that."""
    learning_rate = spec.learning_rate * warm_up_and_decay(step, num_steps, spec.warmup_fraction)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["scale"]
    return learning_rate


def decay_without_gradient(spec: "TrainSpec", rule: Rule, num_layers: int, num_steps: int, last_step: int) -> float:
    """What the first `last_step` steps leave of an embedding that no text touches."""
    is_gradual = spec.unfreezing == "gradual"
    rules = (thawed(rule, step, num_steps, num_layers) if is_gradual else rule for step in range(last_step))
    rate = spec.learning_rate * learning_rate_scale(0, spec.layer_decay, num_layers) * spec.weight_decay
    return math.prod(
        1 - rate * warm_up_and_decay(step, num_steps, spec.warmup_fraction) for step, now in enumerate(rules) if now.has_embeddings
    )


def next_batch(
    course: Course, spec: "TrainSpec", mixture: Sequence[TaskData], kept: Sequence[Kept], vocabulary: Vocabulary, step: int
) -> Batch:
    """The whole batch of a step, masked where tokens are to be predicted."""
    entry, place = course.turns[step]
    task, features = mixture[entry]
    states_TD = kept[entry].states_TD
    units = draw_units(spec.seed, entry, course.num_units[entry], spec.batch_size, place)
    batch = take(features, units)
    if batch.kind == "mlm":
        batch = mask_tokens(batch, vocabulary, generator("mask", spec.seed, step))
    return Batch(task, batch, None if states_TD is None else states_TD[token_rows(features, units)])


def batch_flops(model: Model, trained: Rule, batch: Batch) -> float:
    """Of a step on a whole batch."""
    num_kept = trained.num_frozen_layers if batch.kept_TD is not None else 0
    features = batch.features
    num_tokens, is_one_each = len(features.token_ids), features.kind in ONE_EACH
    return step_flops(model.shape, trained, num_tokens, sum_of_squares(features), num_asked(features), is_one_each, num_kept)


def outcome(progress: Progress, spec: "TrainSpec", status: Literal["done", "pruned"], seconds_before: float, effort: Effort) -> Trained:
    """What a training that is over came to."""
    kept = progress.best if spec.keep == "best" else len(progress.curve) - 1
    return Trained(
        status=status,
        curve=tuple(progress.curve),
        kept=progress.curve[kept] if progress.curve and kept is not None else None,
        losses_K=progress.losses_K[: progress.step].cpu().numpy(),
        num_tokens=progress.num_tokens,
        num_examples=progress.num_examples,
        seconds_before=seconds_before,
        effort=effort,
    )


def effort_of(model: Model, mixture: Sequence[TaskData], num_trained: int, progress: Progress) -> Effort:
    return Effort(
        num_examples=sum(entry.features.num_examples for entry in mixture),
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        num_trained=num_trained,
        flops=progress.flops,
        seconds=progress.step_seconds,
    )


def make_optimizer(model: Model, spec: "TrainSpec") -> torch.optim.AdamW:
    """Fused AdamW; biases and layer norms, the parameters of one dimension, do not decay.

    A group's `scale` is what its layer's learning rate is of the training's.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = learning_rate_scale(depth_of(name, model.num_layers), spec.layer_decay, model.num_layers)
            groups.setdefault((scale, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "scale": scale, "weight_decay": spec.weight_decay if is_decayed else 0.0}
            for (scale, is_decayed), parameters in groups.items()
        ],
        lr=spec.learning_rate,
        eps=1e-8,
        fused=True,
    )


def evaluate(model: Model, evaluate_dev: Callable[[Model], DevScore]) -> DevScore:
    """One evaluation, shared by all ranks; the first one's scores are everybody's, so that all decide alike."""
    model.eval()
    found = evaluate_dev(model)
    model.train()
    return as_first_says(found)


def first_reason(is_interrupted: IsInterrupted) -> Reason | None:
    """Why some rank has to end, if one has; every rank asks, and all hear the same."""
    return next((reason for reason in gathered(is_interrupted()) if reason is not None), None)


def check_finite(losses_K: Tensor, spec: "TrainSpec", num_steps: int) -> None:
    """Raises FloatingPointError at the first loss that is not finite."""
    bad = torch.nonzero(~torch.isfinite(losses_K))
    if len(bad):
        step = int(bad[0])
        learning_rate = spec.learning_rate * warm_up_and_decay(step, num_steps, spec.warmup_fraction)
        raise FloatingPointError(
            f"the loss is {losses_K[step].item()} at step {step + 1} of {num_steps}, where the learning rate is {learning_rate:g}"
        )


def is_below(score: float | None, stop_below: Sequence[float | None], place: int) -> bool:
    """Whether the evaluation number `place`, from 0, falls below its threshold."""
    threshold = stop_below[place] if place < len(stop_below) else None
    return score is not None and threshold is not None and score < threshold
