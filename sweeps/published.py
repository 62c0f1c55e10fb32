"""Published numbers that a report sets beside measured ones: `sweeps/published/<name>.yaml`, each number with its source."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, ValidationError

from sweeps.results import PairId
from sweeps.yaml_reader import read_yaml
from trainables.catalogue import did_you_mean
from trainables.specs import Record

FOLDER = Path(__file__).parent / "published"


class Number(Record):
    """One published number, in points of a hundred."""

    model: str
    """The hub's name of the encoder, without the organisation: `xlm-roberta-large`."""
    intermediate: str
    """As a study names it; `none` for the baseline."""
    target: str
    """As a study names it, or `average` for the mean over all targets of the publication."""
    kind: Literal["score", "gain"]
    value: Annotated[float, Field(ge=-100, le=100)]
    metric: str
    split: Literal["dev", "test"]
    source: str
    """The name of an entry of `sources`."""


class Publication(Record):
    """A file of published numbers."""

    sources: dict[str, str]
    """Where numbers were read, by name."""
    numbers: tuple[Number, ...]


class Published(NamedTuple):
    """A published number and where it was read."""

    number: Number
    source: str

    @property
    def words(self) -> str:
        """`score 80.0 (accuracy, test; RemBERT, table 16)`."""
        value = f"{self.number.value:+.1f}" if self.number.kind == "gain" else f"{self.number.value:.1f}"
        return f"{self.number.kind} {value} ({self.number.metric}, {self.number.split}; {self.source})"


def check_names(names: Iterable[str]) -> None:
    """A ValueError for a name without a file."""
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    for name in names:
        if name not in known:
            raise ValueError(f"published: unknown publication {name!r}{did_you_mean(name, known)}")


@functools.cache
def load_published(name: str) -> Publication:
    """The file of that name; a ValueError if it holds no numbers with sources."""
    path = FOLDER / f"{name}.yaml"
    try:
        publication = Publication.model_validate(read_yaml(path.read_text(encoding="utf-8"), path.name))
    except ValidationError as error:
        raise ValueError(f"{path.name}: {error}") from None
    for number in publication.numbers:
        if number.source not in publication.sources:
            raise ValueError(f"{path.name}: {number.source!r} is not among its sources: {', '.join(publication.sources)}")
    return publication


def published_for(names: Iterable[str], pair: PairId, hub: str | None) -> Iterator[Published]:
    """What was published of a cell; of an encoder that is not the hub's, and of any variant, nothing was."""
    if hub is None or pair.variant != "base":
        return
    yield from _found(names, hub, pair.intermediate, (pair.target,))


def averages(names: Iterable[str], hub: str) -> Iterator[Published]:
    """Published means over all targets, for an encoder of the hub; they belong to no cell."""
    yield from _found(names, hub, None, ("average",))


def _found(names: Iterable[str], hub: str, intermediate: str | None, targets: tuple[str, ...]) -> Iterator[Published]:
    for name in names:
        publication = load_published(name)
        for number in publication.numbers:
            is_wanted = number.model == hub.rpartition("/")[2] and number.target in targets
            if is_wanted and intermediate in (None, number.intermediate):
                yield Published(number, publication.sources[number.source])
