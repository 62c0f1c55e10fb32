"""What a study will cost: operations, device time and disk of everything that it plans, before anything runs.

Operations are those of `trainables.flops`, from the shapes of encoders and the numbers and lengths of examples. What is not known is named,
not guessed. Searches are counted as if nothing were pruned.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces import SPACES
from sweeps.data_sample import Amount, DataSamples, Unknown
from sweeps.encoder_shapes import Encoder, encoder_of
from sweeps.plan import PairProgram
from sweeps.results import Point
from sweeps.study import Study
from trainables.flops import EncoderShape, step_flops
from trainables.layers import Rule, rule_of
from trainables.manifest import Manifest
from trainables.schedule import count_steps, entry_shares
from trainables.specs import DataSpec, EvaluateSpec, InitSpec, MixtureTask, Precision, Record, Spec, TrainSpec
from trainables.task import TASKS

DeviceName = Literal["h100", "a100", "v100"]


class Device(NamedTuple):
    """Peak operations a second, as in NVIDIA's data sheets: dense, SXM."""

    name: str
    peaks: Mapping[Precision, float]


DEVICES: Mapping[DeviceName, Device] = {
    "h100": Device("H100", {"bfloat16": 989e12, "float32": 67e12}),
    "a100": Device("A100", {"bfloat16": 312e12, "float32": 19.5e12}),
    # it has no units for bfloat16
    "v100": Device("V100", {"bfloat16": 15.7e12, "float32": 15.7e12}),
}

UTILISATION = 0.3
"""Assumed share of the peak, where no training was measured."""

NO_SHAPE = "not counted, for the shape of this encoder of the hub is not known"

BYTES_PER_PARAMETER = 4
BYTES_PER_TOKEN = 4
"""Of prepared data; questions also keep where each token lies in its text."""


class Rate(NamedTuple):
    """How fast operations are assumed to run."""

    of: Mapping[Precision, float]
    """Operations a second of one device."""
    words: str
    """What it rests on."""


class StudyCost(Record):
    """All stages of a study together, whatever the store has of them; an upper bound where a search prunes."""

    training_flops: float
    evaluation_flops: float
    """Of dev sets and of scored examples."""
    device_hours: float
    rate: str
    """What operations a second are assumed, and why."""
    checkpoint_gb: float
    """Encoders that are kept: shared ones and each pair's winners; 10^9 bytes."""
    prepared_gb: float
    unknown: tuple[str, ...]
    """What is not counted, or not as it will be."""


class Work(NamedTuple):
    """Operations of one stage."""

    training: float
    evaluation: float


class CostModel:
    """Counts the operations of a study's stages and remembers what it did not know; `base` is where the study's paths start from."""

    def __init__(self, study: Study, base: Path, samples: DataSamples) -> None:
        self._study = study
        self._base = base
        self._samples = samples
        self._encoders: dict[str, Encoder | None] = {}
        self._amounts: dict[tuple[str, DataSpec, int], Amount | None] = {}
        self.unknown: dict[Unknown, None] = {}
        """In the order in which it was met."""
        self.prepared_bytes: dict[tuple[str, DataSpec, int], float] = {}
        """By tokenizer (a model has one), data and length."""

    def encoder(self, model: str) -> Encoder | None:
        """A model's encoder, if its shape is known."""
        if model not in self._encoders:
            self._encoders[model] = encoder_of(self._study.models[model], self._base)
            if self._encoders[model] is None:
                self.unknown[Unknown(NO_SHAPE, f"models.{model}")] = None
        return self._encoders[model]

    def work(self, model: str, spec: Spec) -> Work:
        """The operations of a stage; none to make a random encoder."""
        encoder = self.encoder(model)
        if encoder is None or isinstance(spec, InitSpec):
            return Work(0.0, 0.0)
        if isinstance(spec, TrainSpec):
            return self._training(model, encoder.shape, spec)
        if not isinstance(spec, EvaluateSpec):
            return Work(0.0, 0.0)
        scored = (*spec.data, *spec.threshold_data)
        return Work(0.0, sum(self._forward(model, encoder.shape, data, spec.max_length) for data in scored))

    def _training(self, model: str, shape: EncoderShape, spec: TrainSpec) -> Work:
        amounts = [self._amount(model, entry.train, spec.max_length) for entry in spec.mixture]
        known = [(entry, amount) for entry, amount in zip(spec.mixture, amounts, strict=True) if amount is not None]
        dev = sum(self._forward(model, shape, data, spec.max_length) for entry in spec.mixture for data in entry.dev)
        if not any(entry.share is None for entry, _ in known):
            return Work(0.0, spec.num_evals * dev)
        counted = spec if len(known) == len(amounts) else _with_mixture(spec, tuple(entry for entry, _ in known))
        num_units = [max(round(amount.num_units), 1) for _, amount in known]
        num_steps = count_steps(counted, num_units)
        rule = rule_of(spec.layers_trained, shape.num_layers)
        units = [num_steps * spec.batch_size * share for share in entry_shares(counted, num_units)]
        flops = sum(_flops(shape, rule, amount, number) for (_, amount), number in zip(known, units, strict=True))
        return Work(flops, min(spec.num_evals, num_steps) * dev)

    def _forward(self, model: str, shape: EncoderShape, data: DataSpec, max_length: int) -> float:
        amount = self._amount(model, data, max_length)
        return 0.0 if amount is None else _flops(shape, Rule(shape.num_layers + 1), amount, amount.num_units)

    def _amount(self, model: str, data: DataSpec, max_length: int) -> Amount | None:
        key = (model, data, max_length)
        if key not in self._amounts:
            encoder = self.encoder(model)
            assert encoder is not None, "data are counted for an encoder that is known"
            amount, unknown = self._samples.amount(data, max_length, encoder.tokenizer)
            self.unknown |= dict.fromkeys(unknown)
            self._amounts[key] = amount
            if amount is not None:
                places = 2 * BYTES_PER_TOKEN if TASKS.load(data.task).kind == "span_qa" else 0
                self.prepared_bytes[key] = amount.num_units * amount.tokens * (BYTES_PER_TOKEN + places)
        return self._amounts[key]


def study_cost(programs: Iterable[PairProgram], costs: CostModel, rate: Rate) -> StudyCost:
    """Everything that the programs of a study can ask for; stages that pairs share are counted once."""
    work: Counter[Precision] = Counter()
    training = evaluation = checkpoint_bytes = 0.0
    shared: set[str] = set()
    for program in programs:
        model = program.pair.model
        encoder = costs.encoder(model)
        size = 0 if encoder is None else encoder.num_parameters * BYTES_PER_PARAMETER
        stages = [(spec, 1) for spec in program.shared_stages() if spec.key not in shared]
        shared |= {spec.key for spec, _ in stages}
        checkpoint_bytes += size * len(stages)
        target, scored = program.typical_stages(largest_point(program.builder.study.search.space))
        if target is not None:
            stages.append((target, program.num_trainings()))
            checkpoint_bytes += size * program.num_seeds()
        stages.append((scored, program.num_seeds()))
        for spec, number in stages:
            done = costs.work(model, spec)
            training += number * done.training
            evaluation += number * done.evaluation
            if isinstance(spec, (TrainSpec, EvaluateSpec)):
                work[spec.precision] += number * (done.training + done.evaluation)  # type: ignore[assignment]
    return StudyCost(
        training_flops=training,
        evaluation_flops=evaluation,
        device_hours=sum(flops / rate.of[precision] for precision, flops in work.items()) / 3600,
        rate=rate.words,
        checkpoint_gb=checkpoint_bytes / 1e9,
        prepared_gb=sum(costs.prepared_bytes.values()) / 1e9,
        unknown=tuple(_listed(costs.unknown)),
    )


def _listed(unknown: Iterable[Unknown]) -> Iterator[str]:
    """A sentence for each kind of thing that is not known."""
    by_kind: dict[str, list[str]] = {}
    for each in unknown:
        by_kind.setdefault(each.what, []).append(each.of)
    return (f"{', '.join(dict.fromkeys(names))}: {what}" for what, names in by_kind.items())


def assumed_rate(device: DeviceName) -> Rate:
    """A device's peak at an assumed utilisation."""
    found = DEVICES[device]
    peaks = ", ".join(f"{peak / 1e12:g} TFLOP/s in {precision}" for precision, peak in found.peaks.items())
    words = f"on one {found.name}, assumed at {UTILISATION:.0%} of its peak ({peaks})"
    return Rate({precision: peak * UTILISATION for precision, peak in found.peaks.items()}, words)


def measured_rate(manifests: Iterable[Manifest], device: DeviceName | None, is_gpu: bool) -> Rate | None:
    """The rate of the trainings that were recorded on one kind of device, loading and evaluating included; None if there are none.

    With a `device`, of that one alone; else of the one that did the most, among GPUs or processors as the study asks for.
    """
    flops: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for manifest in manifests:
        name = manifest.cost.device
        is_wanted = DEVICES[device].name in name if device is not None else is_gpu == _is_gpu(name)
        if is_wanted and manifest.effort is not None and manifest.effort.flops > 0 and manifest.cost.device_seconds > 0:
            flops[name] += manifest.effort.flops  # type: ignore[assignment]
            seconds[name] += manifest.cost.device_seconds  # type: ignore[assignment]
            number[name] += 1
    if not flops:
        return None
    name = flops.most_common(1)[0][0]
    rate = flops[name] / seconds[name]
    per = "device" if _is_gpu(name) else "thread"
    words = f"on {name}, measured: {rate / 1e12:.3g} TFLOP/s a {per} over {number[name]} trainings in the store"
    return Rate({"bfloat16": rate, "float32": rate}, words)


def largest_point(space: str) -> Point:
    """The point of a search space that trains the most: of each hyperparameter the largest value."""
    return {name: _largest(distribution) for name, distribution in SPACES.load(space).items()}


def _largest(distribution: BaseDistribution) -> float | int | str:
    match distribution:
        case FloatDistribution(high=high) | IntDistribution(high=high):
            return high
        case CategoricalDistribution(choices=choices):
            numbers = [choice for choice in choices if isinstance(choice, (int, float))]
            return max(numbers) if numbers else str(choices[-1])
        case _:
            raise AssertionError(f"a distribution that Optuna does not have: {distribution}")


def _with_mixture(spec: TrainSpec, mixture: tuple[MixtureTask, ...]) -> TrainSpec:
    fields = {name: getattr(spec, name) for name in TrainSpec.model_fields}
    return TrainSpec.model_validate({**fields, "mixture": mixture})


def _flops(shape: EncoderShape, rule: Rule, amount: Amount, num_units: float) -> float:
    return step_flops(shape, rule, num_units * amount.tokens, num_units * amount.squares)


def _is_gpu(device: str) -> bool:
    return any(word in device for word in ("NVIDIA", "Tesla", "GeForce", *(known.name for known in DEVICES.values())))
