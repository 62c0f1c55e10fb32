"""The ladder of a selection: what a trial of an intermediate computes at each rung, from a study cut short to the study's own trainings."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces import SPACES
from sweeps.axes import Way
from sweeps.builder import Encoder, SpecBuilder
from sweeps.plan import Request
from sweeps.results import BASELINE, VARIANT, Context, Point
from sweeps.selection import Ask, Costs
from trainables.specs import DataSpec, EvaluateSpec, FolderEncoder, Spec, StageEncoder, TrainSpec
from trainables.task import TASKS


class Rung(NamedTuple):
    """Shares, over 0 and up to 1, of what the study has."""

    intermediate: float
    """Of the epochs or steps of an intermediate training."""
    target: float
    """The same of a target's."""
    scored: float
    """Of a target's scored examples; for retrieval always all, since a part of the candidates is an easier task."""


RUNGS = (Rung(1 / 16, 1 / 4, 1 / 4), Rung(1 / 4, 1 / 4, 1 / 2), Rung(1, 1, 1))
"""From the cheapest to the study's own. Targets shrink less at first: many are small, and a head that has learned nothing tells nothing.
At the second rung, what a longer target training would take is better spent on full encoders."""
LEAST_SCORED = 100
"""Examples of a language, where it has so many."""
PRIOR_RUNG = 1
"""The rung of the encoders that transferability scores look at: one rung lower, an encoder has hardly begun to know its task."""
NUM_TRANSFER_UNITS = 200
"""Sequences of a target, or questions of multiple choice, for a transferability score."""


class Transfer(NamedTuple):
    """A transferability score: whose it is, and the stages that it takes, itself the last."""

    arm: int
    target: int
    requests: list[Request]


class Ladder:
    """The stages of every trial that one model's selection could ask for, of the first variant of each target.

    All trials take the point in the middle of the search space, so that only intermediates differ. Each replicate has encoders of its own.
    """

    def __init__(self, builder: SpecBuilder, model: str, num_examples: Callable[[DataSpec], int | None]) -> None:
        """`num_examples` says how many examples there are; where it does not know, a rung scores them all."""
        self._builder = builder
        self._study = builder.study
        self._num_examples = num_examples
        self._point = middle(builder.study.search.space)
        self.model = model
        self.arms = (BASELINE, *builder.study.intermediates)
        self.targets = tuple(builder.study.targets)
        self.num_replicates = builder.study.search.replicates
        self._encoder = functools.cache(self._make_encoder)

    def way(self, target: str) -> Way:
        """The variant of a target that a selection looks at."""
        return next(iter(self._builder.axes.ways(target).values()))

    def trial(self, ask: Ask) -> list[Request]:
        """The stages of a trial, its evaluation last."""
        target, seed = self.targets[ask.target], self._study.seed + ask.replicate
        encoder = self._encoder(ask.arm, ask.rung, ask.replicate)
        requests = self._encoder_requests(ask.arm, ask.rung, ask.replicate)
        trains = TASKS.load(target).kind != "retrieval"
        if trains:
            whole = self._builder.target(self.model, encoder, target, self.way(target), self._point, seed)
            training = shortened(whole, RUNGS[ask.rung].target)
            requests.append(Request(training, self._context("trial", ask, "training"), encoder.folder, ()))
            encoder = Encoder(StageEncoder(stage=training.key), (*encoder.stages, training), encoder.folder)
        scoring = self._builder.evaluation(self.model, encoder.ref, target, self.way(target))
        scoring = self._shortened_scoring(scoring, RUNGS[ask.rung].scored) if trains else scoring
        folder = encoder.folder if isinstance(encoder.ref, FolderEncoder) else None
        return [*requests, Request(scoring, self._context("evaluation", ask, "evaluation"), folder, ())]

    def transfers(self) -> list[Transfer]:
        """Every transferability score. Retrieval targets have none: nothing but the scored examples could give one."""
        trained = [place for place, target in enumerate(self.targets) if TASKS.load(target).kind != "retrieval"]
        return [self._transfer(Ask(arm, target, PRIOR_RUNG, 0)) for target in trained for arm in range(len(self.arms))]

    def num_stages(self) -> int:
        """Of all trials that could be asked for, and of the transferability scores."""
        own = sum(1 if TASKS.load(target).kind == "retrieval" else 2 for target in self.targets)
        return len(RUNGS) * self.num_replicates * (len(self.arms) - 1 + len(self.arms) * own) + len(self.transfers())

    def costs(self, cost: Callable[[Spec], float]) -> Costs:
        """What trials cost; a target's training costs the same for all arms."""
        arms, targets, rungs = range(len(self.arms)), range(len(self.targets)), range(len(RUNGS))
        encoder = [[self.cost_of(self._encoder_requests(arm, rung, 0), cost) for rung in rungs] for arm in arms]
        own = [[self.cost_of(self.trial(Ask(0, target, rung, 0)), cost) for rung in rungs] for target in targets]
        trains = [TASKS.load(target).kind != "retrieval" for target in self.targets]
        return Costs(np.array(encoder), np.array(own), np.array(trains))

    def cost_of(self, requests: Iterable[Request], cost: Callable[[Spec], float]) -> float:
        """The cost of some stages, each once, without what makes the initial encoder."""
        initial = {spec.key for spec in self._builder.initial_encoder(self.model).stages}
        specs = {request.key: request.spec for request in requests if request.key not in initial}
        return sum(map(cost, specs.values()))

    def _make_encoder(self, arm: int, rung: int, replicate: int) -> Encoder:
        """The encoder that a trial begins from."""
        initial = self._builder.initial_encoder(self.model)
        if arm == 0:
            return initial
        whole = self._builder.intermediate(self.model, self.arms[arm], (), self._study.seed + replicate)
        spec = shortened(whole, RUNGS[rung].intermediate)
        return Encoder(StageEncoder(stage=spec.key), (*initial.stages, *self._builder.synthetic.stages(spec), spec), initial.folder)

    def _encoder_requests(self, arm: int, rung: int, replicate: int) -> list[Request]:
        encoder = self._encoder(arm, rung, replicate)
        if arm == 0:
            return [self._shared_request(spec, encoder) for spec in encoder.stages]
        *shared, own = encoder.stages
        name, variant, seed = self.arms[arm], _rung_name(rung), self._study.seed + replicate
        context = Context("encoder", self.model, name, variant, None, seed, f"{self.model}: {name} encoder, {variant}, seed {seed}")
        return [*(self._shared_request(spec, encoder) for spec in shared), Request(own, context, encoder.folder, ())]

    def _shared_request(self, spec: Spec, encoder: Encoder) -> Request:
        """A stage that several arms share: what makes the initial encoder, or synthetic examples."""
        return Request(spec, Context("encoder", self.model, None, VARIANT, None, None, f"{self.model}: {spec.kind}"), encoder.folder, ())

    def _transfer(self, ask: Ask) -> Transfer:
        target, encoder = self.targets[ask.target], self._encoder(ask.arm, ask.rung, ask.replicate)
        spec = self._builder.transfer(self.model, encoder.ref, target, self.way(target), NUM_TRANSFER_UNITS)
        folder = encoder.folder if isinstance(encoder.ref, FolderEncoder) else None
        # of no target in MLflow, where it would be a run of a pair that may never be tried
        context = self._context("encoder", ask, "transferability")._replace(target=None)
        own = Request(spec, context, folder, ())
        return Transfer(ask.arm, ask.target, [*self._encoder_requests(ask.arm, ask.rung, ask.replicate), own])

    def _shortened_scoring(self, spec: EvaluateSpec, share: float) -> EvaluateSpec:
        """An evaluation on a part of the examples of each language."""
        parts = tuple(_part(data, share, self._num_examples(data)) for data in spec.data)
        return EvaluateSpec.model_validate({**{name: getattr(spec, name) for name in EvaluateSpec.model_fields}, "data": parts})

    def _context(self, role: str, ask: Ask, what: str) -> Context:
        arm, target, rung, seed = self.arms[ask.arm], self.targets[ask.target], _rung_name(ask.rung), self._study.seed + ask.replicate
        return Context(role, self.model, arm, rung, target, seed, f"{self.model}: {arm} -> {target}, {rung}, seed {seed}, {what}")


def shortened(spec: TrainSpec, share: float) -> TrainSpec:
    """A training with a share of its steps or epochs."""
    if share == 1:
        return spec
    fields = {name: getattr(spec, name) for name in TrainSpec.model_fields}
    length = {"steps": max(1, round(spec.steps * share))} if spec.steps is not None else {"epochs": (spec.epochs or 0.0) * share}
    return TrainSpec.model_validate({**fields, **length})


def _part(data: DataSpec, share: float, number: int | None) -> DataSpec:
    if number is None or share == 1:
        return data
    return DataSpec.model_validate({**data.model_dump(), "num_examples": max(round(share * number), min(number, LEAST_SCORED))})


def middle(space: str) -> Point:
    """The middle of a search space, on a log scale where the space has one."""
    return {name: _middle_of(distribution) for name, distribution in SPACES.load(space).items()}


def _middle_of(distribution: BaseDistribution) -> float | int | str:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[len(distribution.choices) // 2]
    assert isinstance(distribution, (FloatDistribution, IntDistribution)), "Optuna has three kinds of distributions"
    low, high = distribution.low, distribution.high
    centre = math.sqrt(low * high) if distribution.log else (low + high) / 2
    step = distribution.step
    if step is not None and not distribution.log:
        centre = low + round((centre - low) / step) * step
    return round(centre) if isinstance(distribution, IntDistribution) else centre


def _rung_name(rung: int) -> str:
    return f"rung {rung + 1} of {len(RUNGS)}"
