"""Reads a study from its YAML file, and explains what is wrong with it, one line a mistake."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweeps.study import Resources, Search, Study, StudyError, Variation
from sweeps.study_models import Model, RandomEncoder
from sweeps.study_targets import Retrieval, Target
from sweeps.study_training import Mixture, TaskUse, Training
from sweeps.synthesis import METHODS
from sweeps.yaml_reader import read_yaml
from trainables.catalogue import did_you_mean
from trainables.specs import Record


def load_study(path: Path) -> Study:
    """The study in a YAML file; a StudyError has a line for each mistake, with field, value and allowed values."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise StudyError(f"{path.name}, line {line}: byte {error.object[error.start]:#x} is not UTF-8; save the file as UTF-8") from None
    try:
        content = read_yaml(text, path.name)
    except ValueError as error:
        raise StudyError(str(error)) from None
    if not isinstance(content, Mapping):
        found = "the file is empty" if content is None else f"the file holds {_short(content)}"
        raise StudyError(f"{path.name}: {found}; a study is a mapping of fields, at least name, models and targets")
    if places := list(_booleans(content)):
        # pydantic would read them as 1 and 0
        raise StudyError("\n".join(f"{path.name}: {place}: {value}, but no field of a study is true or false" for place, value in places))
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise StudyError("\n".join(f"{path.name}: {line}" for line in _explain(error))) from None


def _booleans(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """The place of each `true` and `false`, and which of them it is."""
    if isinstance(value, bool):
        yield place, str(value).lower()
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _booleans(entry, f"{place}.{key}" if place else str(key))


def _explain(error: ValidationError) -> list[str]:
    """One line a mistake: the field's path, what is wrong, the nearest known field."""
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _fields_at(problem["loc"][:-1])
            lines.append(f"{place}: unknown field{did_you_mean(str(problem['loc'][-1]), known)}")
        elif problem["type"] == "value_error":
            message = str(problem["ctx"]["error"])
            lines.append(f"{place}: {message}" if place else message)
        else:
            given = "" if problem["type"] == "missing" else f", got {_short(problem['input'])}"
            lines.append(f"{place}: {_in_yaml(problem['msg'])}{given}")
    return [line.replace("\n", "\\n") for line in lines]


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
