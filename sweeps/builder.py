"""Builds the specs of a study's stages: names become content, defaults become values."""

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from sweeps.leaks import Reference, find_leaks, measure_leaks
from sweeps.references import NO_DEV, parse_reference
from sweeps.results import BASELINE, ORACLE, VARIANT, Point
from sweeps.study import DEFAULT_TRAINING, Mixture, Model, Study, StudyError, Target, TaskUse, Training
from trainables.language_sets import default_languages, languages_in
from trainables.origins import available_languages, data_source
from trainables.overlap import TextHashes
from trainables.specs import (
    DataSpec,
    EncoderRef,
    EvaluateSpec,
    FolderEncoder,
    HubEncoder,
    InitSpec,
    MixtureTask,
    Spec,
    StageEncoder,
    TrainSpec,
    Versions,
)
from trainables.task import TASKS

INIT_VERSION = 1
TRAIN_VERSION = 2
EVALUATE_VERSION = 2
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
    """

    def __init__(
        self, study: Study, base: Path, data: Path | None, hashes_of: Callable[[DataSpec], TextHashes | None] | None = None
    ) -> None:
        self.study = study
        self._hashes_of = hashes_of
        self._base = base
        self._data = data
        self._versions = library_versions()
        self._encoders: dict[str, Encoder] = {}
        self._cached_data = functools.cache(self._data_spec)
        self.intermediate = functools.cache(self._intermediate)

    def check(self) -> None:
        """A StudyError for what can be known to fail before anything is trained: data that is not there, inputs that are too long."""
        self.all_data()
        for name, model in self.study.models.items():
            limit = self._most_tokens(model)
            for place, training in self._trainings(name, model):
                length = training.over(DEFAULT_TRAINING).max_length
                if limit is not None and length is not None and length > limit:
                    raise StudyError(
                        f"{place}: max_length is {length}, but models.{name} reads at most {limit} tokens; set max_length: {limit} or less"
                    )
            self._check_layers(name, model)

    def _check_layers(self, name: str, model: Model) -> None:
        num_layers = self._num_layers(model)
        for target, settings in self.study.targets.items():
            for layer in settings.retrieval.layer:
                if num_layers is not None and not -1 - num_layers <= layer <= num_layers:
                    raise StudyError(
                        f"targets.{target}.retrieval.layer: {layer}, but models.{name} has {num_layers} layers; "
                        f"0 is the embeddings, {num_layers} or -1 the last layer"
                    )

    def initial_encoder(self, name: str) -> Encoder:
        """A model's encoder before any intermediate training: hub, folder or random, then pretrained if the study says so."""
        if name not in self._encoders:
            self._encoders[name] = self._initial_encoder(name, self.study.models[name])
        return self._encoders[name]

    def _intermediate(self, model: str, intermediate: str, seed: int) -> TrainSpec:
        """The training of a model's encoder on an intermediate mixture."""
        initial = self.initial_encoder(model)
        mixture = self.study.mixture(intermediate)
        training = mixture.training.over(self.study.intermediate_training)
        return self._train(model, initial.ref, self._mixture_tasks(mixture.tasks), mixture, training, seed)

    def target_encoder(self, model: str, intermediate: str, seed: int) -> Encoder:
        """The encoder that a target training begins from."""
        initial = self.initial_encoder(model)
        if intermediate == BASELINE:
            return initial
        encoder_seed = seed if self.study.encoder_seeds == "paired" else self.study.seed
        spec = self.intermediate(model, intermediate, encoder_seed)
        return Encoder(StageEncoder(stage=spec.key), (*initial.stages, spec), initial.folder)

    def target(self, model: str, encoder: Encoder, target: str, variant: str, point: Point, seed: int) -> TrainSpec:
        """The training of a target task at one point of the search."""
        settings = self.study.targets[target]
        training = Training.model_validate(dict(point)).over(settings.training.over(self.study.target_training))
        return self._train(model, encoder.ref, (self._target_mixture(target, settings, variant),), Mixture(), training, seed)

    def variants(self, target: str) -> tuple[str, ...]:
        """The names of a target's variants: one for each layer and pooling of retrieval, or for each way of selection."""
        task, settings = TASKS.load(target), self.study.targets[target]
        if task.kind == "retrieval":
            return tuple(settings.retrieval.protocols(task))
        return tuple({"source": VARIANT, "oracle": ORACLE}[selection] for selection in dict.fromkeys(settings.selection))

    def evaluation(self, model: str, encoder: EncoderRef, target: str, variant: str) -> EvaluateSpec:
        """The scoring of a trained target (or, for retrieval, of an encoder) in every language."""
        settings = self.study.targets[target]
        training = settings.training.over(self.study.target_training).over(DEFAULT_TRAINING)
        task = TASKS.load(target)
        assert training.max_length is not None, "DEFAULT_TRAINING has a length"
        assert training.precision is not None, "DEFAULT_TRAINING has a precision"
        return EvaluateSpec(
            kind="evaluate",
            code_version=EVALUATE_VERSION,
            versions=self._versions,
            family=self.study.models[model].family,
            encoder=encoder,
            task=target,
            head=None if task.kind == "retrieval" else self._train_reference(target, settings)[0],
            data=tuple(self._cached_data(target, settings.test, language, None) for language in self.languages(target)),
            threshold_data=self._threshold_data(target),
            max_length=training.max_length,
            precision=training.precision,
            retrieval=settings.retrieval.protocols(task)[variant] if task.kind == "retrieval" else None,
        )

    def _threshold_data(self, target: str) -> tuple[DataSpec, ...]:
        if not TASKS.load(target).is_mining:
            return ()
        task, split = parse_reference(self.study.targets[target].dev or "dev", target)
        return tuple(self._cached_data(task, split, language, None) for language in self.languages(target))

    def languages(self, target: str) -> tuple[str, ...]:
        """The languages that a target is scored in."""
        settings = self.study.targets[target]
        known = TASKS.load(target).languages
        match settings.languages:
            case "xtreme" | "xtreme-r" as set_name:
                chosen = languages_in(set_name, target)
                return tuple(language for language in known if language in chosen)
            case None:
                return default_languages(target, known)
            case "available":
                return default_languages(target, self._languages(f"targets.{target}", target, settings.test, "available"))
            case wanted:
                return self._languages(f"targets.{target}", target, settings.test, wanted)

    def leaks(self, intermediate: str, target: str, variant: str) -> tuple[str, ...]:
        """What is known and measured of a pair's trainings and the examples that it is scored on, one sentence a relation."""
        uses = {} if intermediate == BASELINE else self.study.mixture(intermediate).tasks
        trained_on = [Reference(*parse_reference(use.train, task)) for task, use in uses.items()]
        settings = self.study.targets[target]
        is_trained = TASKS.load(target).kind != "retrieval"
        own = Reference(*self._train_reference(target, settings)) if is_trained else None
        known = find_leaks(trained_on, own, self._chosen_on(target, settings, variant), Reference(target, settings.test))
        if self._hashes_of is None:
            return known
        entries = self._mixture_tasks(uses) + ((self._target_mixture(target, settings, variant),) if is_trained else ())
        scored = [self._cached_data(target, settings.test, language, None) for language in self.languages(target)]
        return known + measure_leaks([entry.train for entry in entries], scored, self._hashes_of)

    def _chosen_on(self, target: str, settings: Target, variant: str) -> Reference | None:
        """What chooses a target's checkpoint or threshold, if some of its languages are scored."""
        task = TASKS.load(target)
        if task.kind == "retrieval":
            return Reference(*parse_reference(settings.dev or "dev", target)) if task.is_mining else None
        dev = self._target_mixture(target, settings, variant).dev
        is_scored = any(data.language in self.languages(target) for data in dev)
        return Reference(dev[0].task, dev[0].split) if is_scored else None

    def all_data(self) -> tuple[DataSpec, ...]:
        """Every set of examples that the study can touch, each once."""
        found: dict[DataSpec, None] = {}
        for name in self.study.models:
            for spec in self.initial_encoder(name).stages:
                found |= dict.fromkeys(_data_of(spec))
        for intermediate in self.study.intermediates:
            found |= dict.fromkeys(_data_of_mixture(self._mixture_tasks(self.study.mixture(intermediate).tasks)))
        for target, settings in self.study.targets.items():
            if TASKS.load(target).kind != "retrieval":
                mixtures = tuple(self._target_mixture(target, settings, variant) for variant in self.variants(target))
                found |= dict.fromkeys(_data_of_mixture(mixtures))
            try:
                found |= {self._cached_data(target, settings.test, language, None): None for language in self.languages(target)}
            except StudyError as error:
                raise StudyError(f"targets.{target}.test: {error}") from None
            try:
                found |= dict.fromkeys(self._threshold_data(target))
            except StudyError as error:
                raise StudyError(f"targets.{target}.dev: {error}") from None
        return tuple(found)

    def _initial_encoder(self, name: str, model: Model) -> Encoder:
        stages: tuple[Spec, ...] = ()
        folder = None
        ref: EncoderRef
        if model.hub is not None:
            ref = HubEncoder(hub=model.hub, revision=model.revision)
        elif model.folder is not None:
            folder = str((self._base / model.folder).resolve())
            ref = FolderEncoder(folder_hash=_folder_hash(f"models.{name}.folder", Path(folder)))
        else:
            spec = self._init(name, model)
            stages, ref = (spec,), StageEncoder(stage=spec.key)
        if model.pretraining is not None:
            tasks = self._mixture_tasks(model.pretraining.tasks)
            training = model.pretraining.training.over(self.study.intermediate_training)
            pretraining = self._train(name, ref, tasks, model.pretraining, training, self.study.seed)
            stages, ref = (*stages, pretraining), StageEncoder(stage=pretraining.key)
        return Encoder(ref, stages, folder)

    def _init(self, name: str, model: Model) -> InitSpec:
        assert model.random is not None, f"models.{name} has an origin"
        settings = model.random
        text = tuple(entry.train for entry in self._mixture_tasks(settings.tokenizer_text))
        return InitSpec(
            kind="init",
            code_version=INIT_VERSION,
            versions=self._versions,
            family=model.family,
            tokenizer_text=text,
            **settings.model_dump(exclude={"tokenizer_text"}),
        )

    def _train(
        self, model: str, encoder: EncoderRef, entries: tuple[MixtureTask, ...], mixture: Mixture, training: Training, seed: int
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
            }
        )

    def _trainings(self, name: str, model: Model) -> Iterable[tuple[str, Training]]:
        """Every training that a model goes through, with its place in the study; a target that is not trained has a length too."""
        study = self.study
        if model.pretraining is not None:
            yield f"models.{name}.pretraining", model.pretraining.training.over(study.intermediate_training)
        for intermediate, mixture in study.intermediates.items():
            yield f"intermediates.{intermediate}", mixture.training.over(study.intermediate_training)
        for target, settings in study.targets.items():
            yield f"targets.{target}", settings.training.over(study.target_training)

    def _most_tokens(self, model: Model) -> int | None:
        """The most tokens that an encoder reads; unknown before an encoder from the hub is loaded."""
        return model.random.max_positions if model.random else self._number_in(model, "tokenizer_config.json", "model_max_length")

    def _num_layers(self, model: Model) -> int | None:
        """Of the encoder; unknown before one from the hub is loaded."""
        return model.random.num_layers if model.random else self._number_in(model, "config.json", "num_hidden_layers")

    def _number_in(self, model: Model, file: str, field: str) -> int | None:
        path = self._base / (model.folder or "") / file
        if model.folder is None or not path.exists():
            return None
        number = json.loads(path.read_text(encoding="utf-8")).get(field)
        return number if isinstance(number, int) else None

    def _mixture_tasks(self, tasks: Mapping[str, TaskUse]) -> tuple[MixtureTask, ...]:
        return tuple(entry for task, use in tasks.items() for entry in self._task_entries(task, use))

    def _task_entries(self, task: str, use: TaskUse) -> Iterable[MixtureTask]:
        train_task, train_split = parse_reference(use.train, task)
        languages = self._languages(f"tasks.{task}", train_task, train_split, use.languages)
        source = self._source_language(train_task)
        for language in languages:
            has_dev = language == (source if source in languages else languages[0])
            dev = self._mixture_dev(task, use.dev) if has_dev else ()
            train = self._cached_data(train_task, train_split, language, use.num_examples)
            yield MixtureTask(train=train, dev=dev, weight=use.weight, share=use.share)

    def _mixture_dev(self, task: str, reference: str | None) -> tuple[DataSpec, ...]:
        """In the source language, whatever a task trains in."""
        default_task = TASKS.load(task).translated_from or task
        if reference == NO_DEV or (reference is None and not TASKS.load(default_task).has_split("dev")):
            return ()
        dev_task, dev_split = parse_reference(reference or "dev", default_task)
        return (self._cached_data(dev_task, dev_split, self._source_language(dev_task), None),)

    def _target_mixture(self, target: str, settings: Target, variant: str) -> MixtureTask:
        train_task, train_split = self._train_reference(target, settings)
        return MixtureTask(
            train=self._cached_data(train_task, train_split, self._source_language(train_task), settings.num_examples),
            dev=self._oracle_dev(target, settings) if variant == ORACLE else self._source_dev(target, settings, train_task),
            weight=1.0,
            share=None,
        )

    def _source_dev(self, target: str, settings: Target, train_task: str) -> tuple[DataSpec, ...]:
        task, split = parse_reference(settings.dev or self._default_dev(target, train_task), target)
        return (self._cached_data(task, split, self._source_language(task), None),)

    def _oracle_dev(self, target: str, settings: Target) -> tuple[DataSpec, ...]:
        task, split = parse_reference(settings.dev or "dev", target)
        known = available_languages(task, split, self._data)
        languages = [language for language in self.languages(target) if language in known]
        if not languages:
            raise StudyError(f"targets.{target}.selection: no scored language has {task}/{split}, which an oracle selects on")
        return tuple(self._cached_data(task, split, language, None) for language in languages)

    def _train_reference(self, target: str, settings: Target) -> tuple[str, str]:
        return parse_reference(settings.train or f"{TASKS.load(target).train_on or target}/train", target)

    def _default_dev(self, target: str, train_task: str) -> str:
        task = TASKS.load(target)
        return f"{target}/dev" if task.has_split("dev") and self._source_language(target) in task.languages else f"{train_task}/dev"

    def _source_language(self, task: str) -> str:
        wanted = self.study.source_language
        return wanted if wanted in TASKS.load(task).languages else TASKS.load(task).source_language

    def _languages(self, place: str, task: str, split: str, wanted: str | tuple[str, ...]) -> tuple[str, ...]:
        if isinstance(wanted, tuple):
            return wanted
        if wanted == "source" and TASKS.load(task).translated_from is not None:
            raise StudyError(f"{place}.languages: {task} is translated; name languages of it, or all, or available")
        if wanted == "source":
            return (self._source_language(task),)
        if wanted == "all":
            return TASKS.load(task).languages
        found = available_languages(task, split, self._data)
        if not found:
            raise StudyError(f"{place}.languages: no language of {task} has a {split!r} split in the data folder {self._data}")
        return found

    def _data_spec(self, task: str, split: str, language: str, num_examples: int | None) -> DataSpec:
        try:
            source = data_source(task, split, language, self._data)
        except ValueError as error:
            raise StudyError(str(error)) from None
        return DataSpec(
            task=task, task_version=TASKS.load(task).version, split=split, language=language, num_examples=num_examples, source=source
        )


def library_versions() -> Versions:
    """The installed versions of the libraries that change numerics, without build labels such as `+cpu`."""
    return tuple((name, importlib.metadata.version(name).partition("+")[0]) for name in _LIBRARIES)


def _data_of(spec: Spec) -> tuple[DataSpec, ...]:
    if isinstance(spec, InitSpec):
        return spec.tokenizer_text
    if isinstance(spec, TrainSpec):
        return _data_of_mixture(spec.mixture)
    return spec.data


def _data_of_mixture(mixture: Iterable[MixtureTask]) -> tuple[DataSpec, ...]:
    return tuple(data for entry in mixture for data in (entry.train, *entry.dev))


def _folder_hash(place: str, folder: Path) -> str:
    """The first 16 hex of a hash over names and bytes of a folder's files."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not any(path.name == "config.json" for path in paths):
        raise StudyError(f"{place}: {folder} holds no config.json; it must be a folder that from_pretrained reads")
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
