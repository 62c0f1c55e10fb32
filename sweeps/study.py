"""The study: the one file that says which encoders, intermediate tasks, targets, search and resources a sweep has."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from search_spaces import SPACES
from sweeps.analysis import Analysis, DataScaling
from sweeps.publications import check_names
from sweeps.results import BASELINE, ORACLE, VARIANT
from sweeps.study_checks import (
    check_axes,
    check_benchmark,
    check_mixture,
    check_own_targets,
    check_source_language,
    check_target,
    check_text,
    check_written,
)
from sweeps.study_models import Model
from sweeps.study_targets import Target
from sweeps.study_training import Mixture, TaskUse, Training
from sweeps.study_values import names_as_keys, number_of_gpus, one_or_several
from trainables.catalogue import did_you_mean
from trainables.specs import (
    MIN_BLOCKS,
    Length,
    Precision,
    Record,
)
from trainables.task import TASKS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class StudyError(ValueError):
    """The study or the data it names is wrong; one line an error, each with its place and remedy."""


class Variation(Record):
    """One value of an axis: what it changes of every pair; all else is as in `base`."""

    intermediate_training: Training = Training()
    target_training: Training = Training()
    intermediate_examples: Annotated[int, Field(gt=0)] | None = None
    """Training examples of every task of an intermediate, in each of its languages; a task with a `share` keeps its own."""
    target_examples: Annotated[int, Field(gt=0)] | None = None
    mixed_in: Annotated[dict[str, TaskUse], BeforeValidator(names_as_keys)] = Field(default_factory=dict)
    """Trained along with every intermediate, such as masked-language modelling with a `share`."""

    @property
    def changes_intermediate(self) -> bool:
        """Whether intermediate trainings differ from those of `base`."""
        return bool(self.fields & {"intermediate_examples", "mixed_in"}) or any("intermediate_training." in name for name in self.fields)

    @property
    def changes_target(self) -> bool:
        """Whether target trainings do."""
        return "target_examples" in self.fields or any("target_training." in name for name in self.fields)

    @property
    def fields(self) -> frozenset[str]:
        """What is changed, such as `target_training.layers_trained`; `epochs` and `steps` are one thing."""
        given = {name for name in ("intermediate_examples", "target_examples") if getattr(self, name) is not None}
        given |= {"mixed_in"} if self.mixed_in else set()
        for place in ("intermediate_training", "target_training"):
            given |= {f"{place}.{name.replace('steps', 'epochs')}" for name in getattr(self, place).model_dump(exclude_none=True)}
        return frozenset(given)

    def joined(self, other: "Variation") -> "Variation":
        """Both changes together; they have no field in common."""
        return Variation(
            intermediate_training=other.intermediate_training.over(self.intermediate_training),
            target_training=other.target_training.over(self.target_training),
            intermediate_examples=other.intermediate_examples or self.intermediate_examples,
            target_examples=other.target_examples or self.target_examples,
            mixed_in=self.mixed_in | other.mixed_in,
        )


class Search(Record):
    """The hyperparameter search of each pair."""

    space: str = "learning_rate"
    """A file under search_spaces/."""
    trials: Annotated[int, Field(gt=0)] = 4
    """Points tried for each pair."""
    parallel: Annotated[int, Field(gt=0)] = 1
    """Points asked at once: more fills a large cluster, fewer learn more from each other."""
    replicates: Annotated[int, Field(gt=0)] = 3
    """Seeds of each point; what the search sees is their mean."""
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruning: Literal["none", "incumbent", "asha"] = "incumbent"
    reduction_factor: Annotated[float, Field(gt=1)] = 3.0
    """For `asha`: one in this many trainings goes on past a rung."""

    @model_validator(mode="after")
    def _space_exists(self) -> "Search":
        if "reduction_factor" in self.model_fields_set and self.pruning != "asha":
            raise ValueError(
                f"reduction_factor: {self.reduction_factor:g}, but it is for asha, and pruning is {self.pruning!r}; leave it out"
            )
        for field in SPACES.load(self.space):
            if field == "max_length":
                raise ValueError(f"space {self.space!r} varies max_length, but all points of a search must read the same tokens")
            if field not in Training.model_fields:
                raise ValueError(
                    f"space {self.space!r} varies {field!r}, which no training has{did_you_mean(field, list(Training.model_fields))}"
                )
        return self


MAX_SHARING = 8
"""Stages on one GPU at most: more would only wait for each other."""


class Resources(Record):
    """What one stage holds while it runs."""

    workers: Annotated[int, Field(gt=0)] = 1
    """Processes that share a training, an evaluation or the writing of examples, by Ray Train and Ray Data where there are several."""
    min_workers: Annotated[int, Field(gt=0)] | None = None
    """With so many a stage makes do where a cluster has no more for now; by default with no fewer than `workers`."""
    cpus_per_worker: Annotated[int, Field(gt=0)] = 1
    gpus_per_worker: Annotated[float | Literal["auto"], BeforeValidator(number_of_gpus)] = 0.0
    """`auto`: a whole one for the first stage of its like, then as many on one GPU as the measured memory lets fit."""
    max_concurrent: Annotated[int, Field(gt=0)] | None = None
    """Stages handed to the cluster at once; by default what it can hold now."""

    @model_validator(mode="after")
    def _bounds(self) -> "Resources":
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ValueError(f"min_workers: {self.min_workers}, but workers is {self.workers}; it is the most that a stage has")
        return self

    @model_validator(mode="after")
    def _gpus(self) -> "Resources":
        if self.workers > 1 and self.gpus_per_worker not in (0, 1):
            given = self.gpus_per_worker if self.gpus_per_worker == "auto" else f"{self.gpus_per_worker:g}"
            raise ValueError(f"gpus_per_worker: {given}, but each of {self.workers} workers computes on one GPU; set it to 1")
        return self

    @property
    def fewest_workers(self) -> int:
        """That a stage makes do with."""
        return self.min_workers or self.workers

    @property
    def uses_gpus(self) -> bool:
        """Whether stages that compute with a model do so on GPUs."""
        return self.gpus_per_worker != 0

    @property
    def least_gpus(self) -> float:
        """That a worker may hold."""
        return 1 / MAX_SHARING if self.gpus_per_worker == "auto" else self.gpus_per_worker

    @property
    def most_gpus(self) -> float:
        """That a worker may hold."""
        return 1 if self.gpus_per_worker == "auto" else self.gpus_per_worker


class Benchmark(Record):
    """What intermediate training changes of the latency of inference: each winner in turn with its baseline's, and an equivalence test."""

    targets: Annotated[tuple[str, ...], BeforeValidator(one_or_several), Field(min_length=1)] | None = None
    """Whose winners are timed: by default all that train a head."""
    languages: Annotated[tuple[str, ...], BeforeValidator(one_or_several), Field(min_length=1)] | None = None
    """Of those that a target is scored in; by default all of them."""
    batch_sizes: Annotated[tuple[Annotated[int, Field(gt=0)], ...], BeforeValidator(one_or_several), Field(min_length=1)] = (1, 32)
    lengths: Annotated[tuple[Length, ...], BeforeValidator(one_or_several), Field(min_length=1)] = ("text", 128)
    """`text`: the scored examples with the lengths that they have; a number: their text, cut into sequences of exactly so many tokens."""
    precisions: Annotated[tuple[Precision, ...], BeforeValidator(one_or_several), Field(min_length=1)] = ("float32",)
    blocks: Annotated[int, Field(ge=MIN_BLOCKS)] = 20
    """Rounds in each of which both models are loaded anew: what the test counts as independent."""
    repetitions: Annotated[int, Field(gt=0, multiple_of=2)] = 10
    """Times of each setting in a block."""
    warmup: Annotated[int, Field(ge=0)] = 3
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Latencies whose ratio is shown to lie within this part of 1 are equivalent."""


class Study(Record):
    """Everything about a sweep; there is no other configuration."""

    name: str
    description: str = ""
    source_language: str = "en"
    models: Annotated[dict[str, Model], Field(min_length=1)]
    intermediates: Annotated[dict[str, Mixture], BeforeValidator(names_as_keys)] = Field(default_factory=dict)
    """Mixtures by name; the baseline without any, `none`, is always there."""
    targets: Annotated[dict[str, Target], BeforeValidator(names_as_keys), Field(min_length=1)]
    intermediate_training: Training = Training()
    target_training: Training = Training()
    axes: dict[str, dict[str, Variation]] = Field(default_factory=dict)
    """What else is varied, by axis and value: every combination of one value, or none, of each axis is a variant of every pair that it
    changes. `base`, without any, is always there."""
    analysis: Analysis | None = None
    """What is asked beside the transfer matrix; the report opens with the answer."""
    search: Search = Search()
    encoder_seeds: Literal["shared", "paired"] = "shared"
    """`shared`: one intermediate training for all replicates; `paired`: one for each, with the replicate's seed."""
    resources: Resources = Resources()
    benchmark: Benchmark | None = None
    """Whether and how inference is timed; nothing else runs meanwhile."""
    seed: int = 0
    published: Annotated[tuple[str, ...], BeforeValidator(one_or_several)] = ()
    """Files under sweeps/published/, whose numbers the report sets beside the measured ones."""
    notes: tuple[str, ...] = ()
    """Caveats that the report repeats."""

    @field_validator("name", "models", "intermediates")
    @classmethod
    def _names(cls, value: str | dict[str, object]) -> str | dict[str, object]:
        """Of each field by itself, so that what is wrong with others is said at the same time."""
        for name in [value] if isinstance(value, str) else value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} may hold only letters, digits, '_', '-' and '.', at most 63 of them")
        return value

    @field_validator("intermediates")
    @classmethod
    def _no_baseline(cls, intermediates: dict[str, Mixture]) -> dict[str, Mixture]:
        if BASELINE in intermediates:
            raise ValueError(f"{BASELINE!r} is the baseline, which is always there; leave it out")
        return intermediates

    @model_validator(mode="after")
    def _tasks(self) -> "Study":
        for place, mixture in self.mixtures().items():
            check_mixture(place, mixture)
        for name, model in self.models.items():
            for task, use in model.random.tokenizer_text.items() if model.random else ():
                check_text(f"models.{name}.random.tokenizer_text.{task}", task, use)
        for task, target in self.targets.items():
            check_target(f"targets.{task}", task, target)
        check_source_language(self)
        check_written(self)
        check_own_targets(self)
        check_names(self.published)
        return self

    @model_validator(mode="after")
    def _axes(self) -> "Study":
        for axis, variations in self.axes.items():
            for value in variations:
                if not _NAME.fullmatch(value) or value in (VARIANT, ORACLE):
                    raise ValueError(
                        f"axes.{axis}: {value!r} may hold only letters, digits, '_', '-' and '.', at most 63 of them, and is neither "
                        f"{VARIANT!r} nor {ORACLE!r}"
                    )
        check_axes(self.axes, SPACES.load(self.search.space))
        return self

    @model_validator(mode="after")
    def _asked(self) -> "Study":
        if isinstance(self.analysis, DataScaling):
            for field, names in (("human", (self.analysis.human,)), ("synthetic", self.analysis.synthetic)):
                for name in names:
                    if name not in self.intermediates:
                        raise ValueError(
                            f"analysis.{field}: no intermediate is called {name!r}{did_you_mean(name, list(self.intermediates))}"
                        )
        return self

    @model_validator(mode="after")
    def _benchmark(self) -> "Study":
        if self.benchmark is not None:
            check_benchmark(self, self.benchmark)
        return self

    def benchmarked(self) -> tuple[str, ...]:
        """The targets whose winners are timed."""
        if self.benchmark is None:
            return ()
        return self.benchmark.targets or tuple(target for target in self.targets if TASKS.load(target).kind != "retrieval")

    def mixtures(self) -> dict[str, Mixture]:
        """Every mixture that something trains on, by its place in the study."""
        pretraining = {f"models.{name}.pretraining": model.pretraining for name, model in self.models.items() if model.pretraining}
        return pretraining | {f"intermediates.{name}": self.mixture(name) for name in self.intermediates}

    def mixture(self, intermediate: str) -> Mixture:
        """The tasks of an intermediate; a mixture without a list is the task of its name."""
        return _filled(intermediate, self.intermediates[intermediate])


def _filled(name: str, mixture: Mixture) -> Mixture:
    return mixture if mixture.tasks else Mixture.model_validate({**mixture.model_dump(exclude_unset=True), "tasks": [name]})
