"""What the throughput benchmarks share: synthetic text of realistic lengths, and the same XLM-R for us and for Hugging Face's `Trainer`.

Needs torch, transformers, numpy and safetensors alone; `Trainer` wants accelerate as well.

Legend: `S` sequences, `T` tokens of all of them.
"""

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import (
    PreTrainedModel,
    XLMRobertaConfig,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
)

from trainables.features import IGNORED, Features
from trainables.head_files import HeadShape
from trainables.masking import Vocabulary
from trainables.model import Model, fresh_encoder, with_fresh_heads
from trainables.train import TaskData, Trained, train

TASK = "synthetic"
CPU = torch.device("cpu")
_NUM_PIECES = 30_000
"""From which text is drawn, by Zipf's law; they lie anywhere in the vocabulary."""


class Profile(NamedTuple):
    """Text of one kind of task. Lengths are lognormal, so that batches are about as much padding as those of the real tasks."""

    name: str
    kind: str
    mean_tokens: int
    sigma: float
    """Standard deviation of the logarithm of lengths."""
    longest: int
    batch_size: int
    num_rows: int
    num_labels: int


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("nli", "classification", 35, 0.5, 128, 32, 2400, 3),
        Profile("tagging", "tagging", 25, 0.65, 128, 32, 2400, 17),
        Profile("qa", "span_qa", 180, 0.4, 384, 16, 640, 2),
    )
}


class Seconds(NamedTuple):
    """How long something took."""

    clock: float
    cpu: float
    """Of all threads."""


class Stopwatch:
    """Times what runs while it is entered, on whatever device."""

    seconds = Seconds(0.0, 0.0)

    def __enter__(self) -> "Stopwatch":
        self._began = self._now()
        return self

    def __exit__(self, *_raised: object) -> None:
        now = self._now()
        self.seconds = Seconds(now.clock - self._began.clock, now.cpu - self._began.cpu)

    def _now(self) -> Seconds:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return Seconds(time.perf_counter(), time.process_time())


class Size(NamedTuple):
    """An XLM-R's shape; all have the full vocabulary."""

    num_layers: int
    hidden_size: int
    num_heads: int
    intermediate_size: int


SIZES = {"tiny": Size(4, 256, 4, 1024), "base": Size(12, 768, 12, 3072), "large": Size(24, 1024, 16, 4096)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecipeTask:
    """As `MixtureTask`."""

    train: HeadShape
    weight: float = 1.0
    share: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What `train` reads of a `TrainSpec`, which pydantic would have to be there for; the values are those of `Trainer` below."""

    precision: str
    batch_size: int
    epochs: float | None = 1.0
    steps: int | None = None
    mixture: tuple[RecipeTask, ...] = (RecipeTask(train=HeadShape(TASK, "", ())),)
    sampler: str = "proportional"
    examples_cap: int | None = None
    temperature: float = 1.0
    layers_trained: str = "all"
    layer_decay: float = 1.0
    unfreezing: str = "at_once"
    learning_rate: float = 2e-5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    num_evals: int = 1
    keep: str = "last"
    patience: int | None = None
    seed: int = 0


def make_features(profile: Profile, num_rows: int, seed: int = 0) -> Features:
    """Random text of the profile's lengths."""
    random = np.random.default_rng(seed)
    drawn = random.lognormal(np.log(profile.mean_tokens) - profile.sigma**2 / 2, profile.sigma, num_rows)
    lengths = np.clip(drawn.round(), 6, profile.longest).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pieces = random.choice(np.arange(5, 250_000), _NUM_PIECES, replace=False)
    weights = 1 / np.arange(2, _NUM_PIECES + 2)
    token_ids = random.choice(pieces, offsets[-1], p=weights / weights.sum())
    token_ids[offsets[:-1]], token_ids[offsets[1:] - 1] = 0, 2
    first = random.integers(0, lengths)
    targets = {
        "classification": random.integers(0, profile.num_labels, num_rows),
        "tagging": np.where(random.random(offsets[-1]) < 0.7, random.integers(0, profile.num_labels, offsets[-1]), IGNORED),
        "span_qa": np.stack([first, np.minimum(first + random.integers(0, 8, num_rows), lengths - 1)], axis=1),
    }
    return Features(
        kind=profile.kind,
        token_ids=token_ids.astype(np.int32),
        offsets=offsets,
        second_segment=lengths.astype(np.int32),
        example=np.arange(num_rows, dtype=np.int32),
        num_examples=num_rows,
        targets=targets[profile.kind].astype(np.int32),
        char_spans=np.zeros((0, 2), np.int32),
    )


def padding_share(features: Features, batch_size: int) -> float:
    """Of random batches that are padded to their longest sequence."""
    lengths = np.diff(features.offsets)[: len(features.offsets[1:]) // batch_size * batch_size].reshape(-1, batch_size)
    return 1 - float(lengths.sum() / (lengths.max(1) * batch_size).sum())


def make_config(size: Size, profile: Profile) -> XLMRobertaConfig:
    """The shape and dropout of the published XLM-R."""
    return XLMRobertaConfig(
        vocab_size=250_002,
        hidden_size=size.hidden_size,
        num_hidden_layers=size.num_layers,
        num_attention_heads=size.num_heads,
        intermediate_size=size.intermediate_size,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        num_labels=profile.num_labels,
    )


def make_peer(size: Size, profile: Profile, seed: int = 0) -> PreTrainedModel:
    """transformers' own model for the profile's kind of task, with random weights."""
    makers = {
        "classification": XLMRobertaForSequenceClassification,
        "tagging": XLMRobertaForTokenClassification,
        "span_qa": XLMRobertaForQuestionAnswering,
    }
    torch.manual_seed(seed)
    made: PreTrainedModel = makers[profile.kind](make_config(size, profile))
    return made


def make_ours(size: Size, profile: Profile, precision: Any, seed: int = 0) -> Model:
    """Our model, with the random weights of `make_peer`."""
    peer = make_peer(size, profile, seed)
    shape = HeadShape(TASK, profile.kind, tuple(map(str, range(profile.num_labels))))
    model = with_fresh_heads("xlm_roberta", fresh_encoder(make_config(size, profile)), [shape], 0, precision)
    model.encoder.load_state_dict(peer.roberta.state_dict())
    prefix = "classifier." if profile.kind == "classification" else ""
    head = {name.removeprefix(prefix): tensor for name, tensor in peer.state_dict().items() if not name.startswith("roberta.")}
    model.heads[TASK].load_state_dict(head)
    return model


def train_ours(model: Model, recipe: Recipe, features: Features, max_tokens: int = 8192) -> Trained:
    """The training of a study, without its evaluations."""

    def evaluate_dev(_model: Model) -> tuple[None, tuple[()]]:
        return None, ()

    vocabulary = Vocabulary(4, np.arange(4, dtype=np.int32), np.arange(5, 250_002, dtype=np.int32))
    recipe = dataclasses.replace(recipe, mixture=(RecipeTask(train=HeadShape(TASK, features.kind, ())),))
    mixture = [TaskData(TASK, features)]
    return train(model, recipe, mixture, vocabulary, evaluate_dev=evaluate_dev, report=lambda _: None, max_tokens=max_tokens)  # type: ignore[arg-type]


class Rows(Dataset[dict[str, Tensor]]):
    """Features as `Trainer` reads them: a row a sequence, tensors already."""

    def __init__(self, features: Features, order_S: NDArray[np.int64] | None = None) -> None:
        self._features = features
        self._order_S = np.arange(len(features.second_segment)) if order_S is None else order_S
        self._token_ids_T = torch.from_numpy(features.token_ids.astype(np.int64))
        self._targets = torch.from_numpy(features.targets.astype(np.int64))

    def __len__(self) -> int:
        return len(self._order_S)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        sequence = int(self._order_S[place])
        begin, end = self._features.offsets[sequence : sequence + 2].tolist()
        match self._features.kind:
            case "tagging":
                labels = {"labels": self._targets[begin:end]}
            case "span_qa":
                first, last = self._targets[sequence]
                labels = {"start_positions": first, "end_positions": last}
            case _:
                labels = {"labels": self._targets[sequence]}
        return {"input_ids": self._token_ids_T[begin:end], **labels}


def collate(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """A batch padded to its longest sequence, which is what transformers' own collators make of it, with less Python."""
    fill = {"input_ids": 1, "labels": IGNORED}
    batch = {
        name: pad_sequence([row[name] for row in rows], batch_first=True, padding_value=fill[name])
        if rows[0][name].ndim
        else torch.stack([row[name] for row in rows])
        for name in rows[0]
    }
    batch["attention_mask"] = (batch["input_ids"] != fill["input_ids"]).long()
    return batch


def train_peer(model: nn.Module, features: Features, recipe: Recipe, folder: Path, is_on_cpu: bool = True, **arguments: Any) -> Seconds:
    """An epoch of `Trainer`, from its first batch to its last step, with `arguments` for its `TrainingArguments`."""
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments  # they want accelerate

    class Timed(TrainerCallback):
        watch = Stopwatch()

        def on_train_begin(self, *_given: object, **_named: object) -> None:
            self.watch.__enter__()

        def on_epoch_end(self, *_given: object, **_named: object) -> None:
            self.watch.__exit__()

    timed = Timed()
    given = TrainingArguments(
        output_dir=str(folder),
        use_cpu=is_on_cpu,
        per_device_train_batch_size=recipe.batch_size,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.steps or -1,
        learning_rate=recipe.learning_rate,
        warmup_steps=recipe.warmup_fraction,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        dataloader_pin_memory=not is_on_cpu,
        seed=recipe.seed,
        **QUIET,
        **arguments,
    )
    trainer = Trainer(model=model, args=given, train_dataset=Rows(features), data_collator=collate, callbacks=[timed])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return timed.watch.seconds


QUIET: dict[str, Any] = {
    "optim": "adamw_torch_fused",
    "report_to": "none",
    "save_strategy": "no",
    "logging_strategy": "no",
    "logging_nan_inf_filter": False,
    "disable_tqdm": True,
}
"""`TrainingArguments` that leave nothing to do but to train."""


def matrix_rate(precision: torch.dtype, device: torch.device, size: int = 1024, seconds: float = 0.5) -> float:
    """Floating-point operations per second of a dense product of square matrices: the best of all that fit into the time."""
    left, right = (torch.randn(size, size, device=device).to(precision) for _ in range(2))
    best, until = 0.0, time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        ended = time.perf_counter()
        best = max(best, 2 * size**3 / (ended - began))
        if ended > until:
            return best


def faster_precision(device: torch.device) -> str:
    """bfloat16 where it multiplies matrices faster than float32: processors without instructions for it are a hundred times slower."""
    rates = {name: matrix_rate(getattr(torch, name), device, 256) for name in ("float32", "bfloat16")}
    print("matrix products: " + ", ".join(f"{name} {rate / 1e9:,.1f} GFLOP/s" for name, rate in rates.items()))
    return max(rates, key=lambda name: rates[name])


def interleave(runs: Mapping[str, Callable[[], Seconds]], num_rounds: int) -> dict[str, list[Seconds]]:
    """What each run takes in each round; the runs of a round follow one another, in another order each round."""
    found: dict[str, list[Seconds]] = {name: [] for name in runs}
    for number in range(num_rounds):
        for name in np.random.default_rng(number).permutation(list(runs)).tolist():
            found[name].append(runs[name]())
    return found


def print_table(seconds: Mapping[str, Sequence[Seconds]], ours: str, num_tokens: int) -> str:
    """Median useful tokens per second of each, and our lead by the clock and in CPU seconds; the best peer is returned."""
    print(f"{'':30}{'tokens/s':>10}{'ours is':>9}{'least':>7}{'most':>7}{'in CPU s':>10}{'least':>7}{'most':>7}")
    for name, each in seconds.items():
        clock = [theirs.clock / mine.clock for mine, theirs in zip(seconds[ours], each, strict=True)]
        cpu = [theirs.cpu / mine.cpu for mine, theirs in zip(seconds[ours], each, strict=True)]
        speed = num_tokens / statistics.median(taken.clock for taken in each)
        spread = "".join(f"{statistics.median(of):{width}.2f}{min(of):7.2f}{max(of):7.2f}" for of, width in ((clock, 9), (cpu, 10)))
        print(f"{name:30}{speed:10,.0f}{spread}", flush=True)
    peers = [name for name in seconds if name != ours]
    return min(peers, key=lambda name: statistics.median(taken.clock for taken in seconds[name]))


def describe(profile: Profile, features: Features) -> str:
    """What the rows are, in a line."""
    num_rows, num_tokens = features.num_examples, len(features.token_ids)
    num_pieces = len(np.unique(features.token_ids))
    return (
        f"{profile.name}: {num_rows:,} rows, {num_tokens:,} tokens ({num_tokens / num_rows:.0f} a row), {num_pieces:,} different ones; "
        f"of a random batch of {profile.batch_size}, {padding_share(features, profile.batch_size):.0%} is padding"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the benchmarks on a CPU are told."""
    parser.add_argument("--profiles", nargs="+", choices=list(PROFILES), default=list(PROFILES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, help="of each profile, instead of its own number")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="ours; measured if it is not given")
    parser.add_argument("--json", type=Path)


def write_json(found: object, file: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps(found, indent=1) + "\n")
