"""The study: the one file that says which encoders, intermediate tasks, targets, search and resources a sweep has."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

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
from sweeps.study_values import languages_or, names_as_keys, one_or_several
from sweeps.synthesis import Synthesis
from trainables.catalogue import did_you_mean
from trainables.family import FAMILIES
from trainables.language_sets import LANGUAGE_SETS, SetName
from trainables.specs import (
    MIN_BLOCKS,
    LayersTrained,
    Length,
    Margin,
    Pooling,
    Precision,
    Record,
    RetrievalProtocol,
    Similarity,
    Unfreezing,
)
from trainables.task import TASKS, Task

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class StudyError(ValueError):
    """The study or the data it names is wrong; one line an error, each with its place and remedy."""


class Training(Record):
    """Settings of a training; what is left out is inherited: study defaults, then `DEFAULT_TRAINING`."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(gt=0)] | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    steps: Annotated[int, Field(gt=0)] | None = None
    """Optimizer steps, instead of `epochs`."""
    warmup_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    max_grad_norm: Annotated[float, Field(gt=0)] | None = None
    max_length: Annotated[int, Field(gt=2)] | None = None
    precision: Precision | None = None
    layers_trained: LayersTrained | None = None
    """`all`, `head`, `no_embeddings`, `bias_norm`, `top_K` (the last K layers), `frozen_K` (all but the embeddings and the first K) or
    `lora_K` (adapters of rank K)."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    unfreezing: Unfreezing | None = None
    num_evals: Annotated[int, Field(ge=1)] | None = None
    keep: Literal["best", "last"] | None = None
    patience: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "Training":
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give either epochs or steps, not both")
        return self

    def over(self, base: "Training") -> "Training":
        """These settings where given, else those of `base`."""
        mine = self.model_dump(exclude_none=True)
        theirs = base.model_dump(exclude_none=True)
        if "epochs" in mine or "steps" in mine:
            theirs = {name: value for name, value in theirs.items() if name not in ("epochs", "steps")}
        return Training.model_validate({**theirs, **mine})


DEFAULT_TRAINING = Training(
    learning_rate=1e-5,
    batch_size=32,
    epochs=3.0,
    warmup_fraction=0.1,
    weight_decay=0.01,
    max_grad_norm=1.0,
    max_length=256,
    precision="float32",
    layers_trained="all",
    layer_decay=1.0,
    unfreezing="at_once",
    num_evals=4,
    keep="best",
)
"""jiant's defaults (facts: batch 32, 3 epochs, length 256, learning rate 1e-5, 10% warm-up, linear decay)."""


class TaskUse(Record):
    """How a mixture uses a task. References read `split`, `split[slice]` or `task/split[slice]`."""

    train: str = "train"
    dev: str | None = None
    """Source-language examples that select the checkpoint: by default the dev split, if the task has one; `none` leaves this
    task out of selection."""
    languages: Annotated[
        Literal["source", "all", "available"] | tuple[str, ...], BeforeValidator(languages_or("source", "all", "available"))
    ] = "source"
    """Training languages; masked-language modelling usually takes all."""
    num_examples: Annotated[int, Field(gt=0)] | None = None
    synthetic: Synthesis | None = None
    """Trains on what is made of these examples, in place of them; `num_examples` is then of what is made."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """For the `weights` sampler."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """A fixed share of all steps, as for masked-language modelling mixed in; the other tasks have the rest."""


class Mixture(Record):
    """Tasks that are trained together: an intermediate task, several of them, or pretraining."""

    tasks: Annotated[dict[str, TaskUse], BeforeValidator(names_as_keys)] = Field(default_factory=dict)
    """Left out, the task that the mixture is named after."""
    sampler: Literal["proportional", "uniform", "weights"] = "proportional"
    examples_cap: Annotated[int, Field(gt=0)] | None = None
    """For `proportional`: counts no more examples than this of any task."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """For `proportional`: draws by the number of examples to the power of 1 / temperature."""
    training: Training = Training()

    @model_validator(mode="after")
    def _shares(self) -> "Mixture":
        for field in ("examples_cap", "temperature"):
            if field in self.model_fields_set and self.sampler != "proportional":
                raise ValueError(f"{field} is for the proportional sampler, but sampler is {self.sampler!r}; leave one of them out")
        for task, use in self.tasks.items():
            if "weight" in use.model_fields_set and (self.sampler != "weights" or use.share is not None):
                instead = f"sampler is {self.sampler!r}" if use.share is None else f"share is {use.share:g}"
                raise ValueError(
                    f"tasks.{task}.weight: {use.weight:g}, but {instead}; a weight is for the weights sampler alone: leave one of them out"
                )
        shares = [use.share for use in self.tasks.values() if use.share is not None]
        if shares and (len(shares) == len(self.tasks) or sum(shares) >= 1):
            raise ValueError(f"tasks.*.share: they sum to {sum(shares):g}; leave some steps, and a task without a share to take them")
        return self


class RandomEncoder(Record):
    """An encoder made at random, with a tokenizer trained on the text of the given tasks."""

    hidden_size: Annotated[int, Field(gt=0)]
    num_layers: Annotated[int, Field(gt=0)]
    num_heads: Annotated[int, Field(gt=0)]
    intermediate_size: Annotated[int, Field(gt=0)]
    vocabulary_size: Annotated[int, Field(gt=8)]
    max_positions: Annotated[int, Field(gt=0)] = 514
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    tokenizer_text: Annotated[dict[str, TaskUse], BeforeValidator(names_as_keys), Field(min_length=1)]
    seed: int = 0

    @model_validator(mode="after")
    def _shape(self) -> "RandomEncoder":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size: {self.hidden_size} is not a multiple of num_heads, {self.num_heads}; change one of them")
        for task, use in self.tokenizer_text.items():
            for field in ("dev", "share", "weight", "synthetic"):
                if field in use.model_fields_set:
                    raise ValueError(
                        f"tokenizer_text.{task}.{field}: {getattr(use, field)!r}, but a tokenizer has no use for it; leave it out"
                    )
        return self


class Model(Record):
    """An encoder: from the hub, from a folder, or at random; perhaps pretrained by the study."""

    family: str
    hub: Annotated[str, Field(min_length=1)] | None = None
    revision: str = "main"
    folder: Annotated[str, Field(min_length=1)] | None = None
    """Relative to the study file."""
    random: RandomEncoder | None = None
    form: Literal["head", "generated", "scored"] = "head"
    """`head`: a classifier on the encoder. Of mT5 also text-to-text, for classification and multiple choice: the decoder writes the words
    of a label (`generated`), or the likelihoods of all labels' words are compared (`scored`). Both have the same trainings."""
    pretraining: Mixture | None = None
    weights: Literal["whole", "sharded"] = "whole"
    """How they lie on the workers that train them, where there are several: whole on each, or in parts, for encoders too large for one."""

    @model_validator(mode="after")
    def _one_origin(self) -> "Model":
        FAMILIES.check(self.family)
        if sum(origin is not None for origin in (self.hub, self.folder, self.random)) != 1:
            raise ValueError("give exactly one of hub, folder and random")
        if self.form != "head" and self.family != "mt5":
            raise ValueError(f"form: {self.form!r}, but a model of the family {self.family} has no decoder; leave it out")
        if "revision" in self.model_fields_set and self.hub is None:
            raise ValueError(f"revision: {self.revision!r}, but only an encoder from the hub has revisions; leave it out")
        return self


Selection = Literal["source", "oracle"]


class Retrieval(Record):
    """How the sentences of a retrieval target are embedded and matched; several layers or poolings are variants of each pair."""

    layer: Annotated[tuple[int, ...], BeforeValidator(one_or_several), Field(min_length=1)] = (-1,)
    """Index into the hidden states: 0 is the embeddings' output, -1 the last layer."""
    pooling: Annotated[tuple[Pooling, ...], BeforeValidator(one_or_several), Field(min_length=1)] = ("mean",)
    similarity: Similarity = "cosine"
    margin: Margin | None = None
    """By default `ratio` where translation pairs are mined (BUCC), else `none`."""
    neighbours: Annotated[int, Field(gt=0)] = 4
    """That a margin's mean is over."""

    def protocols(self, task: Task) -> dict[str, RetrievalProtocol]:
        """The protocol of each variant, by its name."""
        margin = self.margin or ("ratio" if task.is_mining else "none")
        both = [(layer, pooling) for layer in self.layer for pooling in self.pooling]
        return {
            VARIANT if len(both) == 1 else f"layer{layer}-{pooling}": RetrievalProtocol(
                layer=layer, pooling=pooling, similarity=self.similarity, margin=margin, neighbours=self.neighbours
            )
            for layer, pooling in both
        }


class Target(Record):
    """A target task: trained in the source language, scored in every language."""

    train: str | None = None
    """By default the training split of the task that this one trains on by convention (xnli: mnli/train)."""
    dev: str | None = None
    """Selects the point and the checkpoint; by default the task's own dev split, if it has the source language, else its training
    task's. Where translation pairs are mined, sets the threshold, language by language."""
    test: str = "test"
    """The split that is scored."""
    languages: (
        Annotated[
            Literal["all", "available"] | SetName | tuple[str, ...], BeforeValidator(languages_or("all", "available", *LANGUAGE_SETS))
        ]
        | None
    ) = None
    """By default XTREME's, where it has the task, else all that the task has. `xtreme-r` takes that benchmark's; `available` those
    of the default whose files lie in the data folder; `all` every one, also beyond the benchmarks' means."""
    selection: Annotated[tuple[Selection, ...], BeforeValidator(one_or_several), Field(min_length=1)] = ("source",)
    """Whose dev examples choose point and checkpoint: the source language's, or, as an `oracle` that no zero-shot transfer has, those of
    all scored languages that have some. Both together are variants of each pair."""
    num_examples: Annotated[int, Field(gt=0)] | None = None
    training: Training = Training()
    retrieval: Retrieval = Retrieval()
    """For retrieval tasks alone."""


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


class Resources(Record):
    """What one stage holds while it runs."""

    workers: Annotated[int, Field(gt=0)] = 1
    """Processes that share a training, an evaluation or the writing of examples, by Ray Train and Ray Data where there are several."""
    cpus_per_worker: Annotated[int, Field(gt=0)] = 1
    gpus_per_worker: Annotated[float, Field(ge=0)] = 0
    max_concurrent: Annotated[int, Field(gt=0)] | None = None
    """Stages handed to the cluster at once; by default what it can hold now."""

    @model_validator(mode="after")
    def _gpus(self) -> "Resources":
        if self.workers > 1 and self.gpus_per_worker not in (0, 1):
            raise ValueError(
                f"gpus_per_worker: {self.gpus_per_worker:g}, but each of {self.workers} workers computes on one GPU; set it to 1"
            )
        return self


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

    @model_validator(mode="after")
    def _names(self) -> "Study":
        for place, names in (("models", self.models), ("intermediates", self.intermediates), ("name", [self.name])):
            for name in names:
                if not _NAME.fullmatch(name):
                    raise ValueError(f"{place}: {name!r} may hold only letters, digits, '_', '-' and '.', at most 63 of them")
        if BASELINE in self.intermediates:
            raise ValueError(f"intermediates: {BASELINE!r} is the baseline, which is always there; leave it out")
        return self

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
