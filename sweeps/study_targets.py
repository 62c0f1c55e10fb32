"""Targets in a study: what a task trains, selects and scores on, and how retrieval embeds and matches."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sweeps.results import VARIANT
from sweeps.study_training import Training
from sweeps.study_values import languages_or, one_or_several
from trainables.language_sets import LANGUAGE_SETS, SetName
from trainables.specs import Margin, Pooling, Record, RetrievalProtocol, Similarity
from trainables.task import Task

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
