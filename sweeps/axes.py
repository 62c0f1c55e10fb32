"""The axes of a study, crossed: what a variant changes in the trainings of a pair, and which pairs it leaves as they are."""

import functools
import itertools
from collections.abc import Mapping
from typing import NamedTuple

from sweeps.results import BASELINE, ORACLE, SEPARATOR, VARIANT
from sweeps.study import Study, StudyError, Variation
from sweeps.study_training import Mixture
from trainables.task import TASKS


class Way(NamedTuple):
    """One variant of a target's pairs."""

    values: tuple[str, ...]
    """Of the study's axes, at most one of each; an axis without one stays as it is in `base`."""
    own: str
    """Of the target itself: the layer and pooling of retrieval, `oracle`, or `base`."""

    @property
    def name(self) -> str:
        """`base`, or all that differs from it: `top_4, 16k, oracle`."""
        return SEPARATOR.join((*self.values, *(() if self.own == VARIANT else (self.own,)))) or VARIANT


BASE = Way((), VARIANT)


class Axes:
    """The variants of one study's targets; `base`, which changes nothing, is always among them."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._values = {name: variation for axis in study.axes.values() for name, variation in axis.items()}
        self.variation = functools.cache(self._variation)
        self.ways = functools.cache(self._ways)

    def _variation(self, values: tuple[str, ...]) -> Variation:
        """What some values of different axes change together."""
        return functools.reduce(Variation.joined, (self._values[name] for name in values), Variation())

    def _ways(self, target: str) -> Mapping[str, Way]:
        """A target's variants by name: every combination of the axes' values and of the target's own."""
        choices = [((), *((name,) for name in axis)) for axis in self._study.axes.values()]
        own = self._own(target)
        ways = [Way(tuple(itertools.chain(*chosen)), name) for chosen in itertools.product(*choices) for name in own]
        return {way.name: way for way in ways}

    def _own(self, target: str) -> tuple[str, ...]:
        task, settings = TASKS.load(target), self._study.targets[target]
        if task.kind == "retrieval":
            return tuple(settings.retrieval.protocols(task))
        return tuple({"source": VARIANT, "oracle": ORACLE}[selection] for selection in dict.fromkeys(settings.selection))

    def in_row(self, way: Way, intermediate: str, target: str) -> Way:
        """`way` without the values that change nothing for a pair: what differs from other ways is what is left.

        The baseline has no intermediate training to change, and retrieval no target training.
        """
        is_baseline, is_retrieval = intermediate == BASELINE, TASKS.load(target).kind == "retrieval"
        kept = (
            name
            for name in way.values
            if (self._values[name].changes_intermediate and not is_baseline) or (self._values[name].changes_target and not is_retrieval)
        )
        return way._replace(values=tuple(kept))

    def before_target(self, way: Way) -> tuple[str, ...]:
        """The values of `way` that change what a target training begins from: ways that share them share their encoders."""
        return tuple(name for name in way.values if self._values[name].changes_intermediate)

    def mixture(self, intermediate: str, values: tuple[str, ...]) -> Mixture:
        """An intermediate, changed by some values of the axes; a StudyError names those that leave no mixture."""
        mixture, variation = self._study.mixture(intermediate), self.variation(values)
        tasks = dict(mixture.tasks)
        if variation.intermediate_examples is not None:
            number = variation.intermediate_examples
            # What is mixed in at a share of the steps, such as text, is no example of the task.
            tasks = {name: use if use.share is not None else use.model_copy(update={"num_examples": number}) for name, use in tasks.items()}
        training = variation.intermediate_training.over(mixture.training)
        try:
            given = {name: getattr(mixture, name) for name in mixture.model_fields_set}
            return Mixture.model_validate({**given, "tasks": tasks | variation.mixed_in, "training": training})
        except ValueError as error:
            raise StudyError(f"axes: {', '.join(values)} of intermediates.{intermediate}: {error}") from None
