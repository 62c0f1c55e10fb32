"""What a selection came to: an intermediate for each target, and what is believed of the others."""

from trainables.specs import Record


class Ranked(Record):
    """What is believed of an arm for a target, in points of the study's own trainings."""

    intermediate: str
    gain: float
    low: float
    high: float
    """A 95% credible interval of the gain over the baseline."""
    is_best: float
    """The probability that no other intermediate is better."""


class Choice(Record):
    """The intermediate that is chosen for a target."""

    model: str
    target: str
    chosen: str
    ranking: tuple[Ranked, ...]
    """The best first."""


class Selection(Record):
    """What a selection came to."""

    study: str
    budget: float
    spent: float
    """Share of the cost of the study's `base` variants."""
    num_computed: int
    """Stages that the store did not have."""
    choices: tuple[Choice, ...]
    failures: dict[str, str]
    """Errors by stage name; a model with one has no choices."""
    notes: tuple[str, ...]
