"""What a newcomer adds as one file: a folder of Python files, each of which defines one constant of a known type."""

import difflib
import functools
import importlib
import pkgutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class CatalogueError(Exception):
    """A file that a newcomer wrote is wrong, or raised an exception; it would do so again."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class Catalogue(Generic[Entry]):
    """The entries of `package`, by file name; each file defines `constant`, of type `entry`; `noun` is what messages call one."""

    def __init__(self, package: str, constant: str, entry: type[Entry], noun: str) -> None:
        self._package = package
        self._constant = constant
        self._entry = entry
        self._noun = noun
        self._found: dict[str, Entry] = {}

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all entries, sorted."""
        return tuple(sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(self._package).__path__)))

    def check(self, name: str) -> None:
        """A ValueError suggests the nearest name if there is no entry called `name`."""
        if name not in self.names:
            raise ValueError(f"unknown {self._noun} {name!r}{did_you_mean(name, self.names)}")

    def load(self, name: str) -> Entry:
        """The entry called `name`; raises as `check` does, and a CatalogueError if its file is wrong."""
        if name in self._found:
            return self._found[name]
        self.check(name)
        folder = Path(importlib.import_module(self._package).__path__[0])
        try:
            found = getattr(importlib.import_module(f"{self._package}.{name}"), self._constant, None)
        except Exception as error:  # a newcomer's code raises anything
            where = f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else line_in(error, folder)
            problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise CatalogueError(name, f"{where or folder / f'{name}.py'}: {problem}") from error
        if not isinstance(found, self._entry):
            raise CatalogueError(name, f"{folder / f'{name}.py'}: it must define {self._constant}, a {self._entry.__name__}")
        self._found[name] = found
        return found


def line_in(error: Exception, folder: Path) -> str | None:
    """`file:line` of the last call from a file of `folder` that an exception came through; None if it came through none."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f"{frame.filename}:{frame.lineno}" for frame in reversed(frames) if Path(frame.filename).parent == folder), None)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of an error message about an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


_MAX_SHOWN = 20
"""Allowed values that an error message lists before it counts the rest."""


def listed(values: Sequence[str]) -> str:
    """The values, separated by commas; a long list ends in the number of the others."""
    more = f" and {len(values) - _MAX_SHOWN} more" if len(values) > _MAX_SHOWN else ""
    return ", ".join(values[:_MAX_SHOWN]) + more
