"""Trainings in a study: their settings, how a mixture uses a task, and mixtures."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from sweeps.study_values import languages_or, names_as_keys
from sweeps.synthesis import Synthesis
from trainables.specs import LayersTrained, Precision, Record, Unfreezing


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
