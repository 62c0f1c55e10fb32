"""What a study will cost: operations, device time and disk of everything that it plans, before anything runs.

Operations are those of `trainables.flops`, from the shapes of encoders and the numbers and lengths of examples. What is not known is named,
not guessed. Searches are counted as if nothing were pruned.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces import SPACES
from sweeps.data_sample import Amount, DataSamples, Unknown
from sweeps.device_rates import Rate
from sweeps.encoder_shapes import Encoder, encoder_of
from sweeps.expectation import TRAIN, Experience
from sweeps.plan import BenchmarkProgram, PairProgram
from sweeps.results import Point
from sweeps.study import Study
from trainables.flops import EncoderShape, layer_flops, step_flops
from trainables.layers import Rule, num_kept_layers, rule_of
from trainables.schedule import count_steps, entry_shares
from trainables.specs import (
    BenchmarkSpec,
    DataSpec,
    EvaluateSpec,
    MixtureTask,
    Precision,
    Record,
    Spec,
    SynthesizeSpec,
    TrainSpec,
    TransferSpec,
)
from trainables.task import TASKS

NO_SHAPE = "not counted, for the shape of this encoder of the hub is not known"

DECODER = "the decoder of a text-to-text model is not counted"

SMALL_BATCHES = "small batches do not reach that rate, so these take longer"

BYTES_PER_PARAMETER = 4
BYTES_PER_TOKEN = {"tagging": 8, "mlm": 8, "span_qa": 12}
"""Of prepared data, by kind, else 4: what is tagged or masked has a class for each token, and questions keep where it lies in its text."""
BYTES_PER_SEQUENCE = 48
"""Of prepared data beside tokens, and of hashes of the texts."""
_LONG_TEXT = 512
"""Tokens that no text counts for more than, where no encoder cuts it."""


class StudyCost(Record):
    """All stages of a study together, whatever the store has of them; an upper bound where a search prunes."""

    training_flops: float
    evaluation_flops: float
    """Of dev sets and of scored examples."""
    benchmark_flops: float
    device_hours: float
    expected_device_hours: float | None
    """From what the stages in the store took; None if there are none of this kind of device."""
    rate: str
    """What operations a second are assumed, and why."""
    checkpoint_gb: float
    """Encoders that are kept: shared ones and each pair's winners; 10^9 bytes."""
    prepared_gb: float
    unknown: tuple[str, ...]
    """What is not counted, or not as it will be."""


class Work(NamedTuple):
    """Operations of one stage."""

    training: float = 0.0
    evaluation: float = 0.0
    benchmark: float = 0.0

    @property
    def total(self) -> float:
        return sum(self)

    def plus(self, other: "Work") -> "Work":
        return Work(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def times(self, number: int) -> "Work":
        return Work(*(number * each for each in self))


class CostModel:
    """Counts the operations of a study's stages and remembers what it did not know; `base` is where the study's paths start from.

    `tokenizers` are the files of those that earlier runs have made, by model.
    """

    def __init__(self, study: Study, base: Path, samples: DataSamples, tokenizers: Mapping[str, Path] = MappingProxyType({})) -> None:
        self._study = study
        self._tokenizers = tokenizers
        self._base = base
        self._samples = samples
        self._encoders: dict[str, Encoder | None] = {}
        self._amounts: dict[tuple[str, DataSpec, int], Amount | None] = {}
        self.unknown: dict[Unknown, None] = {}
        """In the order in which it was met."""
        self.prepared_bytes: dict[tuple[str, DataSpec, int], float] = {}
        """By tokenizer (a model has one), data and length."""
        self.states_bytes = 0.0
        """Of what frozen layers give, in the training that keeps the most of it."""

    def encoder(self, model: str) -> Encoder | None:
        """A model's encoder, if its shape is known."""
        if model not in self._encoders:
            found = encoder_of(self._study.models[model], self._base)
            if found is not None and found.tokenizer is None:
                found = found._replace(tokenizer=self._tokenizers.get(model))
            self._encoders[model] = found
            if self._study.models[model].form != "head":
                self.unknown[Unknown(DECODER, f"models.{model}")] = None
            if self._encoders[model] is None:
                self.unknown[Unknown(NO_SHAPE, f"models.{model}")] = None
        return self._encoders[model]

    def work(self, model: str, spec: Spec) -> Work:
        """The operations of a stage; none to make a random encoder."""
        encoder = self.encoder(model)
        match spec:
            case TrainSpec() if encoder is not None:
                return self._training(model, encoder.shape, spec)
            case EvaluateSpec() if encoder is not None:
                shape, scored = encoder.shape, (*spec.data, *spec.threshold_data)
                if spec.retrieval is not None and shape.is_narrow:
                    shape = shape._replace(num_layers=spec.retrieval.layer % (shape.num_layers + 1))
                return Work(evaluation=sum(self._forward(model, shape, data, spec.max_length) for data in scored))
            case TransferSpec() if encoder is not None:
                return Work(evaluation=self._transfer(model, encoder.shape, spec))
            case BenchmarkSpec() if encoder is not None:
                return Work(benchmark=self._benchmark(model, encoder.shape, spec))
            case _:
                return Work()

    def num_tokens(self, model: str, spec: Spec) -> float:
        """Of the examples that an evaluation scores; 0 for other stages, and where they are not known."""
        if not isinstance(spec, EvaluateSpec) or self.encoder(model) is None:
            return 0.0
        amounts = (self.amount(model, data, spec.max_length) for data in (*spec.data, *spec.threshold_data))
        return sum(amount.num_units * amount.tokens for amount in amounts if amount is not None)

    def _training(self, model: str, shape: EncoderShape, spec: TrainSpec) -> Work:
        amounts = [self.amount(model, entry.train, spec.max_length) for entry in spec.mixture]
        known = [(entry, amount) for entry, amount in zip(spec.mixture, amounts, strict=True) if amount is not None]
        dev = sum(self._forward(model, shape, data, spec.max_length) for entry in spec.mixture for data in entry.dev)
        if not any(entry.share is None for entry, _ in known):
            return Work(evaluation=spec.num_evals * dev)
        counted = spec if len(known) == len(amounts) else _with_mixture(spec, tuple(entry for entry, _ in known))
        num_units = [max(round(amount.num_units), 1) for _, amount in known]
        num_steps = count_steps(counted, num_units)
        rule = rule_of(spec.layers_trained, shape.num_layers)
        units = [num_steps * spec.batch_size * share for share in entry_shares(counted, num_units)]
        self.states_bytes = max(
            self.states_bytes,
            sum(_states_bytes(shape, rule, amount, number) for (_, amount), number in zip(known, units, strict=True)),
        )
        flops = sum(_training_flops(shape, rule, amount, number) for (_, amount), number in zip(known, units, strict=True))
        return Work(flops, min(spec.num_evals, num_steps) * dev)

    def _transfer(self, model: str, shape: EncoderShape, spec: TransferSpec) -> float:
        amounts = (self.amount(model, data, spec.max_length) for data in spec.data)
        forward = Rule(shape.num_layers + 1)
        return sum(_flops(shape, forward, _whole(each), min(each.num_units, spec.num_units)) for each in amounts if each is not None)

    def _benchmark(self, model: str, shape: EncoderShape, spec: BenchmarkSpec) -> float:
        """Of all passes, those that warm up included."""
        self.unknown[Unknown(SMALL_BATCHES, "benchmarks")] = None
        passes = len(spec.arms) * spec.blocks * (spec.warmup + spec.repetitions) * len(spec.precisions) * sum(spec.batch_sizes)
        units = [Amount(1, length, length**2, length, False) for length in spec.lengths if length != "text" for _ in spec.data or (None,)]
        if "text" in spec.lengths:
            texts = (self.amount(model, data, spec.max_length) for data in spec.data)
            units += [_whole(amount) for amount in texts if amount is not None]
        return passes * sum(_flops(shape, Rule(shape.num_layers + 1), unit, 1) for unit in units)

    def _forward(self, model: str, shape: EncoderShape, data: DataSpec, max_length: int) -> float:
        amount = self.amount(model, data, max_length)
        return 0.0 if amount is None else _flops(shape, Rule(shape.num_layers + 1), amount, amount.num_units)

    def amount(self, model: str, data: DataSpec, max_length: int) -> Amount | None:
        """How much an encoder reads of some examples; None if that is not known."""
        key = (model, data, max_length)
        if key not in self._amounts:
            encoder = self.encoder(model)
            assert encoder is not None, "data are counted for an encoder that is known"
            amount, unknown = self._samples.amount(data, max_length, encoder.tokenizer)
            self.unknown |= dict.fromkeys(unknown)
            self._amounts[key] = amount
            if amount is not None:
                task = TASKS.load(data.task)
                sequences = (task.num_options or 1) * BYTES_PER_SEQUENCE
                self.prepared_bytes[key] = amount.num_units * (amount.tokens * BYTES_PER_TOKEN.get(task.kind, 4) + sequences)
        return self._amounts[key]

    def text_of(self, model: str, data: DataSpec) -> Amount | None:
        """Examples as they are written rather than read by an encoder, which are prepared for none."""
        encoder = self.encoder(model)
        return self._samples.amount(data, _LONG_TEXT, None if encoder is None else encoder.tokenizer)[0]


class Planned(NamedTuple):
    """A stage, or several that cost the same."""

    model: str
    spec: Spec
    number: int
    num_there: int
    """Of these, whose encoders are in the store at one time, at most."""
    num_kept: int
    """Of these, whose encoders stay in the store."""
    target: str | None = None
    """Whose training it is; None for what is no target training."""
    is_search: bool = False
    """Whether not all of them need be trained to the end."""


def all_stages(programs: Iterable[PairProgram], benchmarks: Iterable[BenchmarkProgram]) -> Iterator[Planned]:
    """Everything that the programs of a study can ask for."""
    return itertools.chain(planned_stages(programs), _planned_benchmarks(benchmarks))


def study_cost(stages: Iterable[Planned], costs: CostModel, rate: Rate, experience: Experience | None = None) -> StudyCost:
    """What these stages take, at most and, by `experience`, likely."""
    total = Work()
    seconds = expected_s = checkpoint_bytes = 0.0
    for planned in stages:
        encoder = costs.encoder(planned.model)
        checkpoint_bytes += 0 if encoder is None else planned.num_kept * encoder.num_parameters * BYTES_PER_PARAMETER
        work = costs.work(planned.model, planned.spec).times(planned.number)
        total = total.plus(work)
        precisions = _precisions(planned.spec)
        at_most_s = sum(work.total / len(precisions) / rate.of[precision] for precision in precisions)
        seconds += at_most_s
        expected_s += at_most_s if experience is None else _expected_s(planned, costs, experience, at_most_s)
    return StudyCost(
        training_flops=total.training,
        evaluation_flops=total.evaluation,
        benchmark_flops=total.benchmark,
        device_hours=max(seconds, expected_s) / 3600,
        expected_device_hours=None if experience is None else expected_s / 3600,
        rate=rate.words,
        checkpoint_gb=checkpoint_bytes / 1e9,
        prepared_gb=sum(costs.prepared_bytes.values()) / 1e9,
        unknown=tuple(_listed(costs.unknown)),
    )


def _expected_s(planned: Planned, costs: CostModel, experience: Experience, at_most_s: float) -> float:
    """Of all of them; of a kind that the store has none of, the most."""
    line = experience.lines.get(planned.spec.kind)
    if line is None:
        return at_most_s
    units = (
        costs.work(planned.model, planned.spec).training if planned.spec.kind == TRAIN else costs.num_tokens(planned.model, planned.spec)
    )
    return line.at(units) * planned.number * (experience.search_share if planned.is_search else 1.0)


def planned_stages(programs: Iterable[PairProgram]) -> Iterator[Planned]:
    """All stages of all pairs; those that pairs share once."""
    shared: set[str] = set()
    for program in programs:
        model = program.pair.model
        for spec in program.shared_stages():
            if spec.key not in shared:
                shared.add(spec.key)
                is_encoder = int(not isinstance(spec, SynthesizeSpec))
                yield Planned(model, spec, 1, is_encoder, is_encoder)
        target, scored = program.typical_stages(largest_point(program.builder.study.search.space))
        if target is not None:
            number, num_kept = program.num_trainings(), program.num_seeds()
            yield Planned(model, target, number, program.num_there(), num_kept, program.pair.target, is_search=number > num_kept)
        yield Planned(model, scored, program.num_seeds(), 0, 0)


def _planned_benchmarks(benchmarks: Iterable[BenchmarkProgram]) -> Iterator[Planned]:
    """The timing of every pair, and that of every architecture once."""
    architectures = {}
    for benchmark in benchmarks:
        model = benchmark.pair.pair.model
        timing, architecture = benchmark.typical_stages()
        yield Planned(model, timing, 1, 0, 0)
        if architecture is not None:
            architectures[architecture] = Planned(model, architecture, 1, 0, 0)
    yield from architectures.values()


def _precisions(spec: Spec) -> tuple[Precision, ...]:
    """What a stage computes in, for equal parts of its work."""
    match spec:
        case BenchmarkSpec(precisions=precisions):
            return precisions
        case TrainSpec(precision=precision) | EvaluateSpec(precision=precision):
            return (precision,)
        case _:
            return ()


def _listed(unknown: Iterable[Unknown]) -> Iterator[str]:
    """A sentence for each kind of thing that is not known."""
    by_kind: dict[str, list[str]] = {}
    for each in unknown:
        by_kind.setdefault(each.what, []).append(each.of)
    return (f"{', '.join(dict.fromkeys(names))}: {what}" for what, names in by_kind.items())


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


def _whole(amount: Amount) -> Amount:
    """Where no head asks for some tokens alone."""
    return amount._replace(asked=amount.tokens, is_one_each=False)


def _states_bytes(shape: EncoderShape, rule: Rule, amount: Amount, num_units: float) -> float:
    """Of what is kept of an entry of a mixture that is not computed at each visit."""
    tokens = amount.num_units * amount.tokens
    is_kept = num_kept_layers(rule, tokens, shape.hidden_size, num_units / max(amount.num_units, 1)) > 0
    return BYTES_PER_PARAMETER * tokens * shape.hidden_size if is_kept else 0.0


def _training_flops(shape: EncoderShape, rule: Rule, amount: Amount, num_units: float) -> float:
    """Of an entry of a mixture, from which so many units are trained on."""
    tokens, squares = amount.num_units * amount.tokens, amount.num_units * amount.squares
    num_visits = num_units / max(amount.num_units, 1)
    num_kept = num_kept_layers(rule, tokens, shape.hidden_size, num_visits)
    once = num_kept * layer_flops(shape, tokens, squares)
    asked = num_units * amount.asked
    return once + step_flops(shape, rule, num_visits * tokens, num_visits * squares, asked, amount.is_one_each, num_kept)


def _flops(shape: EncoderShape, rule: Rule, amount: Amount, num_units: float) -> float:
    tokens, squares, asked = (num_units * each for each in (amount.tokens, amount.squares, amount.asked))
    return step_flops(shape, rule, tokens, squares, asked, amount.is_one_each)
