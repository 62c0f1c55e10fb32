"""What a study asks, beside the transfer matrix that every study fills: the report opens with the answer."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.specs import Record


class Layers(Record):
    """Which layers need no training: every variant beside `base`."""

    kind: Literal["layers"]


class DataScaling(Record):
    """How the score grows with the number of intermediate examples, and what synthetic ones are worth."""

    kind: Literal["data_scaling"]
    human: str
    """The intermediate whose examples people wrote."""
    synthetic: tuple[str, ...] = ()
    """Intermediates whose examples were made."""


class ModelScale(Record):
    """Whether the gain grows or shrinks with the number of parameters."""

    kind: Literal["model_scale"]


Analysis = Annotated[Layers | DataScaling | ModelScale, Field(discriminator="kind")]
