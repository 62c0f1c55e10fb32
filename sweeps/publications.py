"""Published numbers that a report sets beside measured ones: `sweeps/published/<name>.yaml`, each number with its source."""

import functools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from sweeps.results import VARIANT, PairId, Published
from sweeps.yaml_reader import read_yaml
from trainables.catalogue import did_you_mean
from trainables.specs import Record

AVERAGE = "average"
"""Stands for the mean over all targets of a publication."""

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


def published_of(names: Iterable[str], pair: PairId, hub: str | None) -> tuple[Published, ...]:
    """What was published of a pair; of an encoder that is not the hub's, and of any variant, nothing was."""
    if hub is None or pair.variant != VARIANT:
        return ()
    return tuple(found for found in _of_model(names, hub) if (found.intermediate, found.target) == (pair.intermediate, pair.target))


def published_beside(names: Iterable[str], pairs: Collection[PairId], hubs: Iterable[str]) -> tuple[Published, ...]:
    """What was published of these encoders that is of no pair: means over targets, the best of several intermediates."""
    cells = {(pair.intermediate, pair.target) for pair in pairs}
    found = (each for hub in hubs for each in _of_model(names, hub))
    return tuple(each for each in found if (each.intermediate, each.target) not in cells)


def _of_model(names: Iterable[str], hub: str) -> Iterator[Published]:
    for name in names:
        publication = load_published(name)
        for number in publication.numbers:
            if number.model == hub.rpartition("/")[2]:
                yield Published(**{**dict(number), "source": publication.sources[number.source]})
