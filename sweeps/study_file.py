"""Reads a study from its YAML file."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from sweeps.study import Study, StudyError
from sweeps.study_mistakes import all_mistakes, has_booleans
from sweeps.yaml_reader import read_yaml


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
        found = "the file is empty" if content is None else f"the file holds {content!r:.60}"
        raise StudyError(f"{path.name}: {found}; a study is a mapping of fields, at least name, models and targets")
    if not has_booleans(content):
        with contextlib.suppress(ValidationError):
            return Study.model_validate(content)
    raise StudyError("\n".join(f"{path.name}: {line}" for line in all_mistakes(content)))
