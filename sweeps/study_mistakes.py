"""Every mistake of a study at once, a line each with its place.

pydantic looks at a record as a whole only when its fields are right, and checks of several fields end at the first mistake. So what is
wrong is left out and the rest looked at again, until nothing new is found.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from sweeps.study import Resources, Search, Study, Variation
from sweeps.study_models import Model, RandomEncoder
from sweeps.study_targets import Retrieval, Target
from sweeps.study_training import Mixture, TaskUse, Training
from sweeps.synthesis import METHODS
from trainables.catalogue import did_you_mean
from trainables.specs import Record

_CHECKED_TOGETHER = ("source_language", "benchmark", "analysis")
"""Fields that are checked against `_ENTRIES`: where one of these was left out, what is said of them may be no mistake of the study."""
_ENTRIES = ("intermediates", "targets")
_WHOLES = ("models", "axes")
"""Whose entries, as mixtures, are also checked as wholes: what is said of one that has lost a part may be no mistake either."""
_STAND_INS: Mapping[str, Any] = {"name": "study", "models": {"model": {"family": "bert", "hub": "model"}}, "targets": {"tatoeba": {}}}
"""For what a study must have, so that the rest is looked at where all of it was left out. A target that trains would be in the way of an
intermediate that does so on it."""
_NAMES = ("intermediates", "targets", "tasks", "tokenizer_text", "mixed_in")
"""Fields that may be lists of names; of a benchmark, `targets` are a list."""
_MAX_ROUNDS = 100

Path = tuple[str | int, ...]


class Mistake(NamedTuple):
    """One of a study's."""

    line: str
    """Its place, what is wrong and the remedy."""
    path: Path
    """The innermost part of the file that it is in."""
    is_own_check: bool = False
    """Said by a check of the project's own, which may be of several fields; else of one value, such as that it is missing."""


def all_mistakes(content: Mapping[str, Any]) -> list[str]:
    """A line for each, of the content of a file that is no study."""
    rest = _spelled_out(content)
    lines: list[str] = []
    left_out: list[Path] = []
    for _ in range(_MAX_ROUNDS):
        found = _found(rest)
        lines += [each.line for each in found if not _follows(each, left_out) and each.line not in lines]
        removable = sorted({each.path for each in found if each.path}, key=len)
        for path in removable:
            _leave_out(rest, path)
        stand_ins = {field: stand_in for field, stand_in in _STAND_INS.items() if not rest.get(field)}
        if not removable and not stand_ins:
            break
        rest |= stand_ins
        left_out += removable
    return lines


def has_booleans(content: Mapping[str, Any]) -> bool:
    """Whether some value is `true` or `false`, which pydantic would read as 1 and 0."""
    return any(True for _ in _booleans(content))


def _spelled_out(value: Any, key: str | None = None) -> Any:
    """A copy in which lists of names are the mappings that they are short for, so that one name can be left out."""
    if isinstance(value, Mapping):
        return {name: entry if name == "benchmark" else _spelled_out(entry, name) for name, entry in value.items()}
    if key in _NAMES and isinstance(value, list) and value and all(isinstance(name, str) for name in value) and len({*value}) == len(value):
        return {name: {} for name in value}
    return value


def _found(content: Mapping[str, Any]) -> list[Mistake]:
    """What one look finds."""
    if booleans := list(_booleans(content)):
        return booleans
    try:
        Study.model_validate(content)
    except ValidationError as error:
        return [_explained(problem, content) for problem in error.errors()]
    return []


def _booleans(value: object, path: Path = ()) -> Iterator[Mistake]:
    """Each `true` and `false`."""
    if isinstance(value, bool):
        yield Mistake(f"{_dotted(path)}: {str(value).lower()}, but no field of a study is true or false", path)
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _booleans(entry, (*path, key))


def _explained(problem: Mapping[str, Any], content: Mapping[str, Any]) -> Mistake:
    """The field's path, what is wrong, the nearest known field."""
    place: Path = problem["loc"]
    written = _dotted(place)
    if problem["type"] == "extra_forbidden":
        line = f"{written}: unknown field{did_you_mean(str(place[-1]), _fields_at(place[:-1]))}"
    elif problem["type"] == "value_error":
        message = str(problem["ctx"]["error"])
        line = f"{written}: {message}" if written else message
        # a check of several fields, or names, says which in its message
        quoted = re.match(r"'([^']+)' ", message)
        place = (*place, *([quoted[1]] if quoted else message.partition(": ")[0].split(".")))
    else:
        given = "" if problem["type"] == "missing" else f", got {_short(problem['input'])}"
        line = f"{written}: {_in_yaml(problem['msg'])}{given}"
    return Mistake(line.replace("\n", "\\n"), _innermost(content, place), problem["type"] == "value_error")


def _innermost(content: Any, place: Sequence[str | int]) -> Path:
    """As far as a place leads through mappings; names may have dots in them."""
    if isinstance(content, Mapping):
        for num in range(len(place), 0, -1):
            key = place[0] if num == 1 else ".".join(map(str, place[:num]))
            if key in content:
                return (key, *_innermost(content[key], place[num:]))
    return ()


def _leave_out(content: Any, path: Path) -> None:
    for key in path[:-1]:
        if key not in content:  # something around it was left out before
            return
        content = content[key]
    content.pop(path[-1], None)


def _follows(mistake: Mistake, left_out: Sequence[Path]) -> bool:
    """Whether it may be there only for what was left out."""
    if not left_out:
        return False
    field = mistake.path[0] if mistake.path else mistake.line.partition(":")[0]
    around = [path for path in left_out if mistake.path == path[: len(mistake.path)]]
    is_of_whole = any(path[0] in _WHOLES or "tasks" in path[len(mistake.path) - 1 :] for path in around)
    is_of_entries = field in _CHECKED_TOGETHER and any(path[0] in _ENTRIES and len(path) <= 2 for path in left_out)
    return is_of_entries or is_of_whole or (bool(around) and not mistake.is_own_check)


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))


def _in_yaml(message: str) -> str:
    """A message of pydantic's in the words of a study, which has lists and mappings."""
    words = re.sub(r" or instance of \w+", "", message).replace("dictionary", "mapping").replace("tuple", "list")
    return words[0].lower() + words[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The fields of the record at a place in the study, found by walking the types that the place's path names."""
    by_name: dict[str, type[Record]] = {
        "models": Model,
        "random": RandomEncoder,
        "pretraining": Mixture,
        "intermediates": Mixture,
        "tasks": TaskUse,
        "tokenizer_text": TaskUse,
        "training": Training,
        "intermediate_training": Training,
        "target_training": Training,
        "targets": Target,
        "retrieval": Retrieval,
        "axes": Variation,
        "mixed_in": TaskUse,
        "search": Search,
        "resources": Resources,
    }
    record: type[Record] = Study
    for part in location:
        # a synthetic entry's place has its method in it, which is no field
        known = by_name if str(part) in record.model_fields else METHODS
        record = known.get(str(part), record)
    return list(record.model_fields)
