"""Builds the specs of a study's stages: names become content, defaults become values."""

import functools
import importlib.metadata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from sweeps.axes import Axes, Way
from sweeps.encoder_limits import architecture, check_limits
from sweeps.leaks import Seen, find_leaks, measure_leaks, seen_by
from sweeps.model_folder import folder_hash
from sweeps.results import BASELINE, ORACLE, Point
from sweeps.study import Benchmark, Study, StudyError
from sweeps.study_data import StudyData
from sweeps.study_models import Model
from sweeps.study_training import DEFAULT_TRAINING, Mixture, Training
from sweeps.synthetic_data import SyntheticData
from trainables.data import load_examples
from trainables.overlap import TextHashes
from trainables.specs import (
    MIN_BLOCKS,
    Architecture,
    BenchmarkSpec,
    DataSpec,
    EncoderRef,
    EvaluateSpec,
    FolderEncoder,
    Form,
    HubEncoder,
    InitSpec,
    Length,
    MixtureTask,
    Precision,
    Spec,
    StageEncoder,
    TrainSpec,
    TransferSpec,
    Versions,
    data_of,
)
from trainables.task import TASKS

INIT_VERSION = 1
TRAIN_VERSION = 6
EVALUATE_VERSION = 2
BENCHMARK_VERSION = 2
TRANSFER_VERSION = 1
"""Raised when the code of that kind of stage computes something else; the golden keys under tests/ make it a decision."""

_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy")


class Encoder(NamedTuple):
    """Weights to start from, and the stages that make them, in order."""

    ref: EncoderRef
    stages: tuple[Spec, ...]
    folder: str | None
    """Where a FolderEncoder lies."""


class SpecBuilder:
    """The specs of one study; `base` is the folder that its relative paths start from, `data` the folder of published files.

    `hashes_of` gives the hashes of the texts of some data, or None where they are not known; without it, no overlap is measured.
    `needs_files` is as in `StudyData`.
    """

    def __init__(
        self,
        study: Study,
        base: Path,
        data: Path | None,
        hashes_of: Callable[[DataSpec], TextHashes | None] | None = None,
        needs_files: bool = True,
    ) -> None:
        self.study = study
        self._hashes_of = hashes_of
        self._base = base
        self._versions = library_versions()
        self.synthetic = SyntheticData(base, self._versions)
        self.data = StudyData(study, data, self.synthetic, needs_files)
        self.axes = Axes(study)
        self._encoders: dict[str, Encoder] = {}
        self.intermediate = functools.cache(self._intermediate)
        self.leaks = functools.cache(self._leaks)

    def check(self) -> None:
        """A StudyError for what can be known to fail before anything is trained: data that is not there, inputs that are too long."""
        self.data.check()
        self.all_data()
        for target in self.study.benchmarked():
            self.data.benchmarked_languages(target)
        check_limits(self.study, self._base)
        self._check_sizes()

    def _check_sizes(self) -> None:
        """A StudyError for more synthetic examples than there are of what they are made of, where those are at hand."""
        for origin in dict.fromkeys(self.synthetic.origin(data) for data in self._touched() if data.stage is not None):
            if origin.source != "generated" and self._hashes_of is not None:
                self._hashes_of(origin)  # reads the files
            elif origin.source == "generated":
                try:
                    load_examples(origin, None)
                except ValueError as error:
                    raise StudyError(str(error)) from None

    def initial_encoder(self, name: str) -> Encoder:
        """A model's encoder before any intermediate training: hub, folder or random, then pretrained if the study says so."""
        if name not in self._encoders:
            self._encoders[name] = self._initial_encoder(name, self.study.models[name])
        return self._encoders[name]

    def _intermediate(self, model: str, intermediate: str, values: tuple[str, ...], seed: int) -> TrainSpec:
        """The training of a model's encoder on an intermediate mixture, changed by some values of the axes."""
        initial = self.initial_encoder(model)
        mixture = self.axes.mixture(intermediate, values)
        training = mixture.training.over(self.study.intermediate_training)
        return self._train(model, initial.ref, self.data.mixture(mixture.tasks), mixture, training, seed, self._trained_form(model))

    def target_encoder(self, model: str, intermediate: str, way: Way, seed: int) -> Encoder:
        """The encoder that a target training begins from."""
        initial = self.initial_encoder(model)
        if intermediate == BASELINE:
            return initial
        encoder_seed = seed if self.study.encoder_seeds == "paired" else self.study.seed
        spec = self.intermediate(model, intermediate, self.axes.before_target(way), encoder_seed)
        return Encoder(StageEncoder(stage=spec.key), (*initial.stages, *self.synthetic.stages(spec), spec), initial.folder)

    def target(self, model: str, encoder: Encoder, target: str, way: Way, point: Point, seed: int) -> TrainSpec:
        """The training of a target task at one point of the search."""
        training = Training.model_validate(dict(point)).over(self._target_training(target, way))
        mixture = (self._target_mixture(target, way),)
        return self._train(model, encoder.ref, mixture, Mixture(), training, seed, self._trained_form(model))

    def evaluation(self, model: str, encoder: EncoderRef, target: str, way: Way) -> EvaluateSpec:
        """The scoring of a trained target (or, for retrieval, of an encoder) in every language."""
        settings = self.study.targets[target]
        task = TASKS.load(target)
        max_length, precision = self._read_as(target, way)
        return EvaluateSpec(
            kind="evaluate",
            code_version=EVALUATE_VERSION,
            versions=self._versions,
            family=self.study.models[model].family,
            encoder=encoder,
            task=target,
            head=None if task.kind == "retrieval" else self.data.trained_on(target).task,
            data=self.data.scored(target),
            threshold_data=self.data.threshold(target),
            max_length=max_length,
            precision=precision,
            retrieval=settings.retrieval.protocols(task)[way.own] if task.kind == "retrieval" else None,
            form=self._form(model),
        )

    def transfer(self, model: str, encoder: EncoderRef, target: str, way: Way, num_units: int) -> TransferSpec:
        """How well an encoder's vectors explain the classes of some of a target's training data."""
        max_length, precision = self._read_as(target, way)
        return TransferSpec(
            kind="transfer",
            code_version=TRANSFER_VERSION,
            versions=self._versions,
            family=self.study.models[model].family,
            encoder=encoder,
            data=(self._target_mixture(target, way).train,),
            num_units=num_units,
            max_length=max_length,
            precision=precision,
        )

    def _read_as(self, target: str, way: Way) -> tuple[int, Precision]:
        """The most tokens of a sequence, and the precision, in which a target's examples are read: those of its training."""
        training = self._target_training(target, way).over(DEFAULT_TRAINING)
        assert training.max_length is not None, "DEFAULT_TRAINING has a length"
        assert training.precision is not None, "DEFAULT_TRAINING has a precision"
        return training.max_length, training.precision

    def benchmark(self, model: str, direct: EncoderRef, intermediate: EncoderRef, target: str, way: Way) -> BenchmarkSpec:
        """The timing of a target's winner and its baseline's in turn: whether weights make a difference is what it asks, so it has both."""
        evaluation = self.evaluation(model, intermediate, target, way)
        chosen = self.data.benchmarked_languages(target)
        data = tuple(data for data in evaluation.data if data.language in chosen)
        lengths = self._benchmark.lengths
        return self._benchmark_spec(model, (direct, intermediate), target, evaluation.head, data, evaluation.max_length, lengths)

    def architecture_benchmark(self, model: str) -> BenchmarkSpec | None:
        """The timing of a model's encoder at fixed lengths, where weights cannot matter: one for all models of its shape, however trained.

        None without such lengths. Where only the hub knows the shape, the name there stands for it.
        """
        lengths = tuple(length for length in self._benchmark.lengths if length != "text")
        if not lengths:
            return None
        settings = self.study.models[model]
        arm: EncoderRef | Architecture | None = architecture(model, settings, self._base)
        if arm is None and settings.hub is not None:
            arm = HubEncoder(hub=settings.hub, revision=settings.revision)
        return None if arm is None else self._benchmark_spec(model, (arm,), None, None, (), max(lengths), lengths)

    @property
    def _benchmark(self) -> Benchmark:
        assert self.study.benchmark is not None, "only a study with a benchmark is asked for one"
        return self.study.benchmark

    def _benchmark_spec(
        self,
        model: str,
        arms: tuple[EncoderRef | Architecture, ...],
        task: str | None,
        head: str | None,
        data: tuple[DataSpec, ...],
        max_length: int,
        lengths: tuple[Length, ...],
    ) -> BenchmarkSpec:
        settings, resources = self._benchmark, self.study.resources
        return BenchmarkSpec(
            kind="benchmark",
            code_version=BENCHMARK_VERSION,
            versions=self._versions,
            family=self.study.models[model].family,
            arms=arms,
            task=task,
            head=head,
            data=data,
            max_length=max_length,
            batch_sizes=settings.batch_sizes,
            lengths=lengths,
            precisions=settings.precisions,
            blocks=settings.blocks if len(arms) > 1 else MIN_BLOCKS,  # nothing is compared with an architecture
            repetitions=settings.repetitions,
            warmup=settings.warmup,
            num_threads=resources.cpus_per_worker,
            on_gpu=resources.uses_gpus,
            seed=self.study.seed,
            form=None if task is None else self._form(model),
        )

    def trained_as(self, model: str) -> str:
        """The first model of the study that has the same trainings: itself, or a text-to-text model that is asked otherwise."""
        mine = self.study.models[model]
        return next(
            name
            for name, other in self.study.models.items()
            if name == model
            or ("head" not in (mine.form, other.form) and mine.model_dump(exclude={"form"}) == other.model_dump(exclude={"form"}))
        )

    def _form(self, model: str) -> Form | None:
        form = self.study.models[model].form
        return None if form == "head" else form

    def _leaks(self, model: str, intermediate: str, target: str, way: Way) -> tuple[str, ...]:
        """What is known and measured of a pair's trainings and the examples that it is scored on, one sentence a relation."""
        pretraining = self.study.models[model].pretraining
        mixtures = [] if pretraining is None else [pretraining]
        mixtures += [] if intermediate == BASELINE else [self.axes.mixture(intermediate, self.axes.before_target(way))]
        before = [seen_by(self.data.mixture(mixture.tasks)) for mixture in mixtures]
        is_trained = TASKS.load(target).kind != "retrieval"
        own = seen_by((self._target_mixture(target, way),)) if is_trained else Seen((), self.data.threshold(target))
        scored = self.data.scored(target)
        known = find_leaks(before, own, scored)
        return known if self._hashes_of is None else known + measure_leaks((*before, own), scored, self._hashes_of)

    def all_data(self) -> tuple[DataSpec, ...]:
        """Every set of examples that the study can read, each once; in place of what it makes, what that is made of."""
        return tuple(dict.fromkeys(self.synthetic.origin(data) for data in self._touched()))

    def _touched(self) -> Iterable[DataSpec]:
        """Every set of examples that some stage can read; some of them more than once."""
        found = [data for name in self.study.models for spec in self.initial_encoder(name).stages for data in data_of(spec)]
        ways = [way for target in self.study.targets for way in self.axes.ways(target).values()]
        # Once for all targets, whose encoders are the same.
        for values in dict.fromkeys(self.axes.before_target(way) for way in ways):
            for intermediate in self.study.intermediates:
                found += _data_of_mixture(self.data.mixture(self.axes.mixture(intermediate, values).tasks))
        for target in self.study.targets:
            for way in self.axes.ways(target).values():
                if TASKS.load(target).kind != "retrieval":
                    found += _data_of_mixture([self._target_mixture(target, way)])
            found += (*self.data.scored(target), *self.data.threshold(target))
        return found

    def _target_training(self, target: str, way: Way) -> Training:
        """A target's settings in a variant, without the point."""
        own = self.study.targets[target].training.over(self.study.target_training)
        return self.axes.variation(way.values).target_training.over(own)

    def _target_mixture(self, target: str, way: Way) -> MixtureTask:
        num_examples = self.axes.variation(way.values).target_examples
        return self.data.target_mixture(target, num_examples, is_oracle=way.own == ORACLE)

    def _initial_encoder(self, name: str, model: Model) -> Encoder:
        stages: tuple[Spec, ...] = ()
        folder = None
        ref: EncoderRef
        if model.hub is not None:
            ref = HubEncoder(hub=model.hub, revision=model.revision)
        elif model.folder is not None:
            folder = str((self._base / model.folder).resolve())
            ref = FolderEncoder(folder_hash=folder_hash(f"models.{name}.folder", Path(folder)))
        else:
            spec = self._init(name, model)
            stages, ref = (spec,), StageEncoder(stage=spec.key)
        if model.pretraining is not None:
            tasks = self.data.mixture(model.pretraining.tasks)
            training = model.pretraining.training.over(self.study.intermediate_training)
            pretraining = self._train(name, ref, tasks, model.pretraining, training, self.study.seed)
            stages = (*stages, *self.synthetic.stages(pretraining), pretraining)
            ref = StageEncoder(stage=pretraining.key)
        return Encoder(ref, stages, folder)

    def _init(self, name: str, model: Model) -> InitSpec:
        assert model.random is not None, f"models.{name} has an origin"
        settings = model.random
        return InitSpec(
            kind="init",
            code_version=INIT_VERSION,
            versions=self._versions,
            family=model.family,
            tokenizer_text=self.data.texts(settings.tokenizer_text),
            **settings.model_dump(exclude={"tokenizer_text"}),
        )

    def _trained_form(self, model: str) -> Form | None:
        """Of a text-to-text model dev examples are scored, whatever the others are, so that it is trained once for both."""
        return None if self._form(model) is None else "scored"

    def _train(
        self,
        model: str,
        encoder: EncoderRef,
        entries: tuple[MixtureTask, ...],
        mixture: Mixture,
        training: Training,
        seed: int,
        form: Form | None = None,
    ) -> TrainSpec:
        settings = training.over(DEFAULT_TRAINING).model_dump()
        return TrainSpec.model_validate(
            {
                **settings,
                "kind": "train",
                "code_version": TRAIN_VERSION,
                "versions": self._versions,
                "family": self.study.models[model].family,
                "encoder": encoder,
                "mixture": entries,
                "sampler": mixture.sampler,
                "examples_cap": mixture.examples_cap,
                "temperature": mixture.temperature,
                "seed": seed,
                "form": form,
            }
        )


def library_versions() -> Versions:
    """The installed versions of the libraries that change numerics, without build labels such as `+cpu`."""
    return tuple((name, importlib.metadata.version(name).partition("+")[0]) for name in _LIBRARIES)


def _data_of_mixture(mixture: Iterable[MixtureTask]) -> tuple[DataSpec, ...]:
    return tuple(data for entry in mixture for data in (entry.train, *entry.dev))
