"""The training loop: intermediate, target, multi-task and masked-language-model training alike.

Everything random is a function of (seed, step), so a training that died goes on from a checkpoint as if nothing had happened.

Legend: `K` optimizer steps.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from trainables.checkpoint import load_progress, save_progress
from trainables.features import Features
from trainables.flops import step_flops
from trainables.heads import num_averaged
from trainables.layers import depth_of, learning_rate_scale, rule_of, thawed
from trainables.masking import Vocabulary, mask_tokens
from trainables.model import Model
from trainables.packing import pack, split_units, take, unit_bounds
from trainables.ranks import as_first_says, rank_and_number
from trainables.schedule import count_steps, draw_turns, draw_units, space_evals, warm_up_and_decay
from trainables.seeds import derive_seed, generator

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from trainables.manifest import Measurement
    from trainables.specs import TrainSpec

CHECK_EVERY_STEPS = 20
"""Losses are looked at this often, for a look makes the CPU wait for the GPU."""

DevScore = tuple[float | None, tuple["Measurement", ...]]


class Point(NamedTuple):
    """The fields of a `CurvePoint`."""

    step: int
    epoch: float
    train_loss: float
    learning_rate: float
    score: float | None
    dev: tuple["Measurement", ...]


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


@dataclasses.dataclass
class Progress:
    """What a training carries from step to step, beside weights and moments."""

    step: int
    losses_K: Tensor
    curve: list[Point]
    best: int | None
    """The place of the best evaluation in the curve."""
    best_weights: dict[str, Tensor] | None
    num_tokens: int
    num_examples: int
    seconds: float
    """Spent so far, by all attempts."""
    flops: float
    step_seconds: float
    """Spent on steps alone, without evaluations and checkpoints."""


class TaskData(NamedTuple):
    """What one entry of the mixture trains: a task's head, on these features. Two entries may share a task, in two languages."""

    task: str
    features: Features


def train(
    model: Model,
    spec: "TrainSpec",
    mixture: Sequence[TaskData],
    vocabulary: Vocabulary,
    *,
    evaluate_dev: Callable[[Model], DevScore],
    report: Callable[[Point], None],
    stop_below: Sequence[float | None] = (),
    checkpoints: Path | None = None,
    checkpoint_every_s: float = math.inf,
    max_tokens: int = 8192,
) -> Trained:
    """Trains `model` in place on the data of `spec.mixture`, entry for entry.

    Where a process group is up, every rank calls this: each computes its share of every batch and of every evaluation, rank 0
    alone saves, all report. `max_tokens` go forward at once, which changes no result. FloatingPointError if a loss is not finite.
    """
    num_units = [len(unit_bounds(entry.features)) - 1 for entry in mixture]
    num_steps = count_steps(spec, num_units)
    turns = draw_turns(spec, num_units, num_steps)
    eval_steps = space_evals(num_steps, spec.num_evals)
    rank, num_ranks = rank_and_number()
    if spec.batch_size < num_ranks:
        raise ValueError(f"batch_size is {spec.batch_size}, fewer than the {num_ranks} workers that share it")

    rule = rule_of(spec.layers_trained, model.num_layers)
    if rule.adapter_rank:
        torch.manual_seed(derive_seed("adapters", spec.seed))
        model.add_adapters(rule.adapter_rank)
    model.freeze(rule)
    model.train()
    num_trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    optimizer = make_optimizer(model, spec)
    progress = resume(checkpoints, model, optimizer) or Progress(0, torch.zeros(num_steps), [], None, None, 0, 0, 0.0, 0.0, 0.0)
    progress.losses_K = progress.losses_K.to(model.device)
    seconds_before, is_pruned = progress.seconds, False
    trained, replica = rule, replicate(model) if num_ranks > 1 else model
    began_at = saved_at = stepped_at = time.monotonic()

    for step in range(progress.step, num_steps):
        torch.manual_seed(derive_seed("dropout", spec.seed, step, rank))
        learning_rate = spec.learning_rate * warm_up_and_decay(step, num_steps, spec.warmup_fraction)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group["scale"]
        if spec.unfreezing == "gradual" and (now := thawed(rule, step, num_steps, model.num_layers)) != trained:
            trained = now
            model.freeze(trained)
            replica = replicate(model) if num_ranks > 1 else model

        entry, place = turns[step]
        task, features = mixture[entry]
        batch = take(features, draw_units(spec.seed, entry, num_units[entry], spec.batch_size, place))
        if batch.kind == "mlm":
            batch = mask_tokens(batch, vocabulary, generator("mask", spec.seed, step))
        progress.losses_K[step] = compute_gradients(replica, batch, task, max_tokens, rank, num_ranks)
        clip_grad_norm_(model.parameters(), spec.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

        progress.step += 1
        progress.num_tokens += len(batch.token_ids)
        progress.num_examples += batch.num_examples
        progress.flops += step_flops(model.shape, trained, len(batch.token_ids), int(np.square(np.diff(batch.offsets)).sum()))
        is_eval = progress.step in eval_steps
        if progress.step % CHECK_EVERY_STEPS and progress.step < num_steps and not is_eval:
            continue
        check_finite(progress.losses_K[: progress.step], spec, num_steps)
        progress.step_seconds += time.monotonic() - stepped_at

        if is_eval:
            score, dev = evaluate(model, evaluate_dev)
            since = progress.curve[-1].step if progress.curve else 0
            train_loss = progress.losses_K[since : progress.step].mean().item()
            point = Point(progress.step, progress.num_examples / sum(num_units), train_loss, learning_rate, score, dev)
            report(point)
            remember(point, progress, model if spec.keep == "best" and progress.step < num_steps else None)
            is_pruned = is_below(score, stop_below, len(progress.curve) - 1)
            if is_pruned or is_out_of_patience(spec.patience, progress):
                break
        if checkpoints is not None and rank == 0 and time.monotonic() - saved_at >= checkpoint_every_s:
            progress.seconds = seconds_before + time.monotonic() - began_at
            save_progress(checkpoints, progress.step, snapshot(model, optimizer, progress))
            saved_at = time.monotonic()
        stepped_at = time.monotonic()

    if spec.keep == "best" and progress.best_weights is not None:
        model.load_state_dict(progress.best_weights)
    model.merge_adapters()
    kept = progress.best if spec.keep == "best" else len(progress.curve) - 1
    return Trained(
        status="pruned" if is_pruned else "done",
        curve=tuple(progress.curve),
        kept=progress.curve[kept] if progress.curve and kept is not None else None,
        losses_K=progress.losses_K[: progress.step].cpu().numpy(),
        num_tokens=progress.num_tokens,
        num_examples=progress.num_examples,
        seconds_before=seconds_before,
        effort=Effort(
            num_examples=sum(entry.features.num_examples for entry in mixture),
            num_parameters=sum(parameter.numel() for parameter in model.parameters()),
            num_trained=num_trained,
            flops=progress.flops,
            seconds=progress.step_seconds,
        ),
    )


def replicate(model: Model) -> DistributedDataParallel:
    """The model with its gradients averaged over ranks; in a mixture a step leaves the other tasks' heads unused."""
    return DistributedDataParallel(model, find_unused_parameters=len(model.heads) > 1, broadcast_buffers=False)


def compute_gradients(replica: nn.Module, batch: Features, task: str, max_tokens: int, rank: int, num_ranks: int) -> Tensor:
    """Accumulates the gradients of the mean loss of the whole batch, of which this rank computes its share; returns that mean."""
    device = next(replica.parameters()).device
    num = max(num_averaged(batch), 1)
    loss = torch.zeros((), device=device)
    shares = list(split_units(batch, max_tokens, rank, num_ranks))
    for place, sequences in enumerate(shares, 1):
        is_last = place == len(shares)
        with contextlib.nullcontext() if is_last or not isinstance(replica, DistributedDataParallel) else replica.no_sync():
            share: Tensor = replica(pack(batch, sequences, device), task) / num
            (share * num_ranks).backward()  # what is averaged over ranks must be multiplied by them to be a sum
        loss += share.detach()
    if num_ranks > 1:
        dist.all_reduce(loss)
    return loss


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


def check_finite(losses_K: Tensor, spec: "TrainSpec", num_steps: int) -> None:
    """Raises FloatingPointError at the first loss that is not finite."""
    bad = torch.nonzero(~torch.isfinite(losses_K))
    if len(bad):
        step = int(bad[0])
        learning_rate = spec.learning_rate * warm_up_and_decay(step, num_steps, spec.warmup_fraction)
        raise FloatingPointError(
            f"the loss is {losses_K[step].item()} at step {step + 1} of {num_steps}, where the learning rate is {learning_rate:g}"
        )


def remember(point: Point, progress: Progress, model: nn.Module | None) -> None:
    """Adds an evaluation to the curve and, if it is the best so far, sets aside the weights of `model`, if one is given.

    Where there are no scores, the last weights are as good as any.
    """
    best = None if progress.best is None else progress.curve[progress.best].score
    progress.curve.append(point)
    if point.score is None or best is None or point.score > best:
        progress.best = len(progress.curve) - 1
        progress.best_weights = copy_weights(model) if model is not None else None


def is_out_of_patience(patience: int | None, progress: Progress) -> bool:
    """Whether the last `patience` evaluations brought no gain."""
    return patience is not None and progress.best is not None and len(progress.curve) - 1 - progress.best >= patience


def is_below(score: float | None, stop_below: Sequence[float | None], place: int) -> bool:
    """Whether the evaluation number `place`, from 0, falls below its threshold."""
    threshold = stop_below[place] if place < len(stop_below) else None
    return score is not None and threshold is not None and score < threshold


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> dict[str, object]:
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "progress": progress}


def resume(checkpoints: Path | None, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Puts the newest whole checkpoint, if there is one, into the model and the optimizer."""
    state = load_progress(checkpoints) if checkpoints is not None else None
    if state is None:
        return None
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    progress: Progress = state["progress"]
    return progress
