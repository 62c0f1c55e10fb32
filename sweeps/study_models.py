"""Models in a study: where an encoder comes from, and how it is trained and asked."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sweeps.study_training import Mixture, TaskUse
from sweeps.study_values import hub_name, names_as_keys
from trainables.family import FAMILIES
from trainables.specs import Record


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
    hub: Annotated[str, Field(min_length=1), AfterValidator(hub_name)] | None = None
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
