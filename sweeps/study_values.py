"""How values may be written in a study where they have a short form: names, one value or several, languages or a word for them, GPUs."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

_LANGUAGE = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
_HUB_NAME = re.compile(r"[A-Za-z0-9{][\w.{}-]*(/[A-Za-z0-9{][\w.{}-]*)?")


def names_as_keys(value: object) -> object:
    """`[a, b]` is short for `{a: {}, b: {}}`, and an empty entry for `{}`."""
    if isinstance(value, list):
        for name in value:
            if not isinstance(name, str):
                raise ValueError(f"{name!r} in a list of names; where entries have settings, write a mapping of names to settings")
        _check_once(value)
        return {name: {} for name in value}
    if isinstance(value, Mapping):
        return {name: {} if entry is None else entry for name, entry in value.items()}
    if isinstance(value, str):
        raise ValueError(f"{value!r} is neither a list of names nor a mapping of names to settings; write [{value}] for a list")
    return value


def one_or_several(value: object) -> object:
    """One value is short for a list of it."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    _check_once(values)
    return values


def languages_or(*words: str) -> Callable[[object], object]:
    """A reader that lets through a list of languages, each once, or one of the words; anything else is a ValueError."""

    known = f", or one of {', '.join(words)}" if words else ""

    def checked(value: object) -> object:
        if isinstance(value, (list, tuple)):
            for language in value:
                if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
                    raise ValueError(f"{language!r} is no code of a language; write codes, as in [de, sw]")
            if not value:
                raise ValueError(f"[] names no language; name one{known}")
            _check_once(value)
        elif value not in words:
            example = f"; write [{value}] for a list" if isinstance(value, str) else ""
            nor = f"neither a list of languages nor one of {', '.join(words)}" if words else "no list of languages"
            raise ValueError(f"{value!r} is {nor}{example}")
        return value

    return checked


def language_code(value: str) -> str:
    """A code, which can be a part of a file's name; anything else is a ValueError."""
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f"{value!r} is no code of a language; write a code, such as de")
    return value


def hub_name(value: str) -> str:
    """The name of a model on the hub, perhaps with `{language}` in it; a path is a ValueError."""
    if not _HUB_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name on the hub; write owner/name, or give a folder as folder")
    return value


def number_of_gpus(value: object) -> object:
    """A number from 0, or `auto`; anything else is a ValueError."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
    if not is_number and value != "auto":
        raise ValueError(f"{value!r} is neither a number of GPUs, as 0, 0.5 or 1, nor auto")
    return value


def _check_once(values: Sequence[object]) -> None:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"{value!r} is in the list twice; name it once")
