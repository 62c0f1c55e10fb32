"""Search spaces, one file each; a file defines SPACE, Optuna distributions by the field of the training that they vary."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from optuna.distributions import BaseDistribution


@functools.cache
def space_names() -> tuple[str, ...]:
    """The names of all search spaces: the file names in this folder."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load_space(name: str) -> Mapping[str, BaseDistribution]:
    """The distributions of a space, by the name of the training's field that they vary."""
    space: Mapping[str, BaseDistribution] = importlib.import_module(f"search_spaces.{name}").SPACE
    return space
