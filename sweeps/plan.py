"""From a study to its stages: one program a pair, which asks for stages and is resumed when they are finished.

A program reads as the recipe of one cell: initial encoder, intermediate training, search over the target training, evaluation
of the winner. It asks without knowing whether a stage runs, was run for another pair, or lies in the store: sharing is the
business of the walk (`sweeps.walk`), which runs each key once. Programs see results only through what they yield, so the same
results always lead to the same stages.
"""

import dataclasses
import itertools
from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol

from sweeps.axes import Way
from sweeps.builder import Encoder, SpecBuilder
from sweeps.pruning import Floors, pruned_at, scores_of
from sweeps.publications import published_of
from sweeps.results import BASELINE, VARIANT, BenchmarkResult, Context, Evaluation, PairId, PairResult, Point, Trial
from sweeps.search import PairSearch, Told, num_points
from trainables.manifest import Manifest
from trainables.specs import (
    BenchmarkSpec,
    EvaluateSpec,
    FolderEncoder,
    InitSpec,
    Spec,
    StageEncoder,
    SynthesizeSpec,
    TrainSpec,
    parents_of,
)
from trainables.task import TASKS


class Request(NamedTuple):
    """A stage that a program wants finished."""

    spec: Spec
    context: Context
    folder: str | None
    """Where the folder of a FolderEncoder lies."""
    floors: Floors
    """The scores under which this training stops itself."""

    @property
    def key(self) -> str:
        """The stage's content address."""
        return self.spec.key

    @property
    def parents(self) -> tuple[str, ...]:
        """Keys of the stages whose files this one reads."""
        return parents_of(self.spec)

    @property
    def runs_alone(self) -> bool:
        """Whether nothing else may run at the same time: it would be timed as well."""
        return isinstance(self.spec, BenchmarkSpec)


class StageFailedError(Exception):
    """A stage that a program waits for cannot be had; the message names it and the cause."""


Steps = Generator[Sequence[Request], Sequence[Manifest], None]
"""Yields stages that may run at the same time; is sent their manifests, in order, when all are finished."""


class Program(Protocol):
    """What a walk carries out."""

    problem: str | None
    """Why it ended early."""

    def steps(self) -> Steps: ...


class Start(NamedTuple):
    """What one replicate is scored with, or timed."""

    seed: int
    encoder: Encoder
    """What the target training began from."""
    trained: Encoder
    """What it made: the selected point's; for retrieval, which trains nothing, the same."""


@dataclasses.dataclass
class PairProgram:
    """The stages of one pair, and what is known so far."""

    pair: PairId
    way: Way
    """The pair's variant."""
    builder: SpecBuilder
    trials: list[Trial] = dataclasses.field(default_factory=list)
    selected: Point | None = None
    evaluations: tuple[Evaluation, ...] = ()
    losers: tuple[str, ...] = ()
    """Keys of trainings that lost the search, known so far: their files serve nobody."""
    problem: str | None = None

    def result(self) -> PairResult:
        """What is known now."""
        study = self.builder.study
        return PairResult(
            pair=self.pair,
            trials=tuple(self.trials),
            selected=self.selected,
            evaluations=self.evaluations,
            problem=self.problem,
            baseline=self.baseline,
            leaks=self.leaks(),
            published=published_of(study.published, self.pair, study.models[self.pair.model].hub),
        )

    def leaks(self) -> tuple[str, ...]:
        """What the trainings of this pair have seen of the examples that it is scored on."""
        return self.builder.leaks(self.pair.model, self.pair.intermediate, self.pair.target, self.way)

    def steps(self) -> Steps:
        """The recipe of this cell."""
        starts = yield from self.winners()
        manifests = yield [self._evaluation(start.trained, start.seed) for start in starts]
        self.evaluations = tuple(
            Evaluation(start.seed, manifest, start.encoder.ref.stage if isinstance(start.encoder.ref, StageEncoder) else None)
            for start, manifest in zip(starts, manifests, strict=True)
        )

    def winners(self) -> Generator[Sequence[Request], Sequence[Manifest], list[Start]]:
        """The recipe up to the selected point's trainings: encoders and search. Whoever follows it asks for the same stages."""
        seeds = self._seeds()
        encoders = [self._encoder(seed) for seed in seeds]
        for depth in range(len(encoders[0].stages)):
            yield [self._shared(encoder, depth) for encoder in encoders]
        if TASKS.load(self.pair.target).kind == "retrieval":
            return [Start(seed, encoder, encoder) for seed, encoder in zip(seeds, encoders, strict=True)]
        # All rows and variants of a target begin with the same points: a gain is then no luck of the draw, and trainings that are the
        # same are one, also those of a text-to-text model that is asked in two ways.
        drawn_as = str(self.pair._replace(model=self.builder.trained_as(self.pair.model), intermediate=BASELINE, variant=VARIANT))
        search = PairSearch(self.builder.study.search, self.builder.study.seed, drawn_as)
        while points := search.ask():
            told = yield from self._round(points, seeds, encoders, search.floors())
            search.tell(told)
            best = search.best().point
            keys = {self._training(encoder, best, seed, ()).key for seed, encoder in zip(seeds, encoders, strict=True)}
            self.losers = tuple(trial.manifest.key for trial in self.trials if trial.manifest.key not in keys)
        self.selected = best
        return [Start(seed, encoder, self._trained(encoder, best, seed)) for seed, encoder in zip(seeds, encoders, strict=True)]

    @property
    def baseline(self) -> PairId:
        """The pair without intermediate training whose target training is the same."""
        way = self.builder.axes.in_row(self.way, BASELINE, self.pair.target)
        return self.pair._replace(intermediate=BASELINE, variant=way.name)

    def num_stages(self) -> int:
        """Target trainings and evaluations of this pair, if nothing is pruned."""
        return self.num_trainings() + len(self._seeds())

    def num_trainings(self) -> int:
        """Target trainings of this pair, if nothing is pruned."""
        if TASKS.load(self.pair.target).kind == "retrieval":
            return 0
        return num_points(self.builder.study.search) * len(self._seeds())

    def num_there(self) -> int:
        """Target trainings whose files are in the store at one time: of a round, and of what was best before it."""
        return min(self.num_trainings(), (self.builder.study.search.parallel + 1) * self.num_seeds())

    def num_seeds(self) -> int:
        """Evaluations of this pair, and trainings of its winning point."""
        return len(self._seeds())

    def typical_stages(self, point: Point) -> tuple[TrainSpec | None, EvaluateSpec]:
        """A target training at a point, None for retrieval, and an evaluation: all others of this pair are of their kind."""
        model, _, _, target = self.pair
        seed = self._seeds()[0]
        encoder = self._encoder(seed)
        scored = self.builder.evaluation(model, encoder.ref, target, self.way)
        if TASKS.load(target).kind == "retrieval":
            return None, scored
        return self.builder.target(model, encoder, target, self.way, point, seed), scored

    def shared_stages(self) -> tuple[Spec, ...]:
        """The stages that make this pair's encoders, each once."""
        stages = (spec for seed in self._seeds() for spec in self._encoder(seed).stages)
        return tuple({spec.key: spec for spec in stages}.values())

    def _round(
        self, points: Sequence[Point], seeds: Sequence[int], encoders: Sequence[Encoder], floors: Floors
    ) -> Generator[Sequence[Request], Sequence[Manifest], list[Told]]:
        """Trains the first seed of every point, then the other seeds of those that were not pruned at their first."""
        first = yield [self._training(encoders[0], point, seeds[0], floors) for point in points]
        alive = [point for point, manifest in zip(points, first, strict=True) if pruned_at(scores_of(manifest.curve), floors) is None]
        others = list(zip(seeds[1:], encoders[1:], strict=True))
        rest = yield [self._training(encoder, point, seed, floors) for point in alive for seed, encoder in others]
        remaining = iter(rest)
        told = []
        for point, manifest in zip(points, first, strict=True):
            manifests = [manifest] if point not in alive else [manifest, *(next(remaining) for _ in others)]
            told.append(self._record(point, seeds, manifests, floors))
        return told

    def _record(self, point: Point, seeds: Sequence[int], manifests: Sequence[Manifest], floors: Floors) -> Told:
        curves = []
        for manifest in manifests:
            scores = scores_of(manifest.curve)
            rung = pruned_at(scores, floors)
            curves.append(scores if rung is None else scores[: rung + 1])
        pruned = [pruned_at(curve, floors) is not None for curve in curves]
        for seed, manifest, was_pruned in zip(seeds, manifests, pruned, strict=False):
            self.trials.append(Trial(point, seed, manifest, was_pruned))
        finals = [manifest.score for manifest in manifests if manifest.score is not None]
        return Told(point, tuple(curves), tuple(finals), is_pruned=any(pruned))

    def _seeds(self) -> tuple[int, ...]:
        """The replicate seeds; retrieval trains nothing, so its replicates are its distinct encoders."""
        study = self.builder.study
        seeds = tuple(study.seed + replicate for replicate in range(study.search.replicates))
        trains_nothing = TASKS.load(self.pair.target).kind == "retrieval"
        is_one_encoder = study.encoder_seeds == "shared" or self.pair.intermediate == BASELINE
        return seeds[:1] if trains_nothing and is_one_encoder else seeds

    def _encoder(self, seed: int) -> Encoder:
        return self.builder.target_encoder(self.pair.model, self.pair.intermediate, self.way, seed)

    def _shared(self, encoder: Encoder, depth: int) -> Request:
        spec = encoder.stages[depth]
        if isinstance(spec, SynthesizeSpec):
            made = f"{spec.made_from.task}/{spec.made_from.split} by {spec.by.method} in {spec.language}, {spec.key[-6:]}"
            return Request(spec, Context("encoder", self.pair.model, None, VARIANT, None, None, f"examples: {made}"), None, ())
        if depth < len(self.builder.initial_encoder(self.pair.model).stages):
            made, intermediate, variant = "random encoder" if spec.kind == "init" else "pretraining", None, VARIANT
        else:
            intermediate = self.pair.intermediate
            variant = Way(self.builder.axes.before_target(self.way), VARIANT).name
            made = f"{intermediate} encoder{'' if variant == VARIANT else f' [{variant}]'}, seed {_seed(spec)}"
        context = Context("encoder", self.pair.model, intermediate, variant, None, _seed(spec), f"{self.pair.model}: {made}")
        return Request(spec, context, encoder.folder, ())

    def _training(self, encoder: Encoder, point: Point, seed: int, floors: Floors) -> Request:
        spec = self.builder.target(self.pair.model, encoder, self.pair.target, self.way, point, seed)
        settings = ", ".join(f"{name} {_shown(value)}" for name, value in point.items())
        return Request(spec, self._context("trial", seed, f"seed {seed}, {settings}"), encoder.folder, floors)

    def _trained(self, encoder: Encoder, point: Point, seed: int) -> Encoder:
        spec = self._training(encoder, point, seed, ()).spec
        return Encoder(StageEncoder(stage=spec.key), (*encoder.stages, spec), encoder.folder)

    def _evaluation(self, trained: Encoder, seed: int) -> Request:
        spec = self.builder.evaluation(self.pair.model, trained.ref, self.pair.target, self.way)
        folder = trained.folder if isinstance(trained.ref, FolderEncoder) else None
        return Request(spec, self._context("evaluation", seed, f"evaluation, seed {seed}"), folder, ())

    def _context(self, role: str, seed: int, name: str) -> Context:
        model, intermediate, variant, target = self.pair
        return Context(role, model, intermediate, variant, target, seed, f"{self.pair}, {name}")


@dataclasses.dataclass
class BenchmarkProgram:
    """The timing of one pair's winner and of its baseline's; it finds both as the pairs themselves do, whose stages these are."""

    pair: PairProgram
    """Programs of its own, for they keep what they learn."""
    direct: PairProgram
    architecture: Manifest | None = None
    """Of the model's encoder, at fixed lengths."""
    manifest: Manifest | None = None
    problem: str | None = None

    def result(self) -> BenchmarkResult:
        """What is known now."""
        margin = self._builder.study.benchmark.margin if self._builder.study.benchmark else 0.0
        return BenchmarkResult(self.pair.pair, self.direct.pair, margin, self.architecture, self.manifest, self.problem)

    def steps(self) -> Steps:
        """First what is compared, then the timing; of the replicates, the first one's."""
        direct = yield from self.direct.winners()
        intermediate = yield from self.pair.winners()
        model, name, variant, target = self.pair.pair
        seed = intermediate[0].seed
        spec = self._builder.benchmark(model, direct[0].trained.ref, intermediate[0].trained.ref, target, self.pair.way)
        context = Context("benchmark", model, name, variant, target, seed, f"{self.pair.pair}, benchmark")
        (self.manifest,) = yield [Request(spec, context, None, ())]
        if (shape := self._builder.architecture_benchmark(model)) is not None:
            context = Context("benchmark", model, None, VARIANT, None, None, f"{model}: benchmark of the architecture")
            (self.architecture,) = yield [Request(shape, context, None, ())]

    def typical_stages(self) -> tuple[BenchmarkSpec, BenchmarkSpec | None]:
        """The timing, of the encoders that trainings begin from in the place of winners, and that of the architecture."""
        model, _, _, target = self.pair.pair
        direct, intermediate = (program.typical_stages({})[1].encoder for program in (self.direct, self.pair))
        spec = self._builder.benchmark(model, direct, intermediate, target, self.pair.way)
        return spec, self._builder.architecture_benchmark(model)

    @property
    def _builder(self) -> SpecBuilder:
        return self.pair.builder


def plan_benchmarks(builder: SpecBuilder) -> list[BenchmarkProgram]:
    """A program for every pair with an intermediate whose target's inference is timed; none if the study times nothing."""
    pairs = plan_study(builder) if builder.study.benchmark is not None else []
    return [
        BenchmarkProgram(pair, PairProgram(pair.baseline, builder.axes.in_row(pair.way, BASELINE, pair.pair.target), builder))
        for pair in pairs
        if pair.pair.intermediate != BASELINE and pair.pair.target in builder.study.benchmarked()
    ]


def num_architectures(benchmarks: Sequence[BenchmarkProgram]) -> int:
    """How many timings of architectures some benchmarks share."""
    shapes = (program.pair.builder.architecture_benchmark(program.pair.pair.model) for program in benchmarks)
    return len({shape.key for shape in shapes if shape is not None})


def plan_study(builder: SpecBuilder) -> list[PairProgram]:
    """A program for every cell of the study's matrices: variants within targets within intermediates within models.

    A variant that changes nothing for a pair, such as another intermediate training for the baseline, is no cell of its own.
    """
    study = builder.study
    rows = itertools.product(study.models, (BASELINE, *study.intermediates), study.targets)
    return [
        PairProgram(PairId(model, intermediate, way.name, target), way, builder)
        for model, intermediate, target in rows
        for way in builder.axes.ways(target).values()
        if builder.axes.in_row(way, intermediate, target) == way
    ]


def _seed(spec: Spec) -> int | None:
    return spec.seed if isinstance(spec, (InitSpec, TrainSpec)) else None


def _shown(value: float | int | str) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
