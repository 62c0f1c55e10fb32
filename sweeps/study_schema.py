"""The JSON Schema of a study, by which editors complete and check a study file while it is written.

It says less than reading a study does, which also knows how fields go together; what it refuses, reading refuses too.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BeforeValidator

from search_spaces import SPACES
from sweeps.study import Study
from sweeps.study_values import names_as_keys, one_or_several
from trainables.family import FAMILIES
from trainables.specs import Record
from trainables.task import TASKS

SCHEMA_FILE = Path(__file__).parent / "study.schema.json"
"""As `polystilts schema` prints it."""
_NAMED_BY_TASK = {("Study", "targets"), ("Mixture", "tasks"), ("RandomEncoder", "tokenizer_text"), ("Variation", "mixed_in")}
"""Records and their fields whose keys are names of tasks."""


def study_schema() -> dict[str, Any]:
    """As draft 2020-12."""
    schema = Study.model_json_schema()
    for record in _records():
        properties = (schema if record is Study else schema["$defs"][record.__name__])["properties"]
        docs = _field_docs(record)
        for name, field in record.model_fields.items():
            value = properties[name]
            if name in docs:
                value["description"] = docs[name]
            readers = set(_readers(field))
            if one_or_several in readers:
                _allow_one(value)
            if names_as_keys in readers:
                _allow_names(value, TASKS.names if (record.__name__, name) in _NAMED_BY_TASK else None)
    definitions = schema["$defs"]
    definitions["Model"]["properties"]["family"]["enum"] = list(FAMILIES.names)
    definitions["Search"]["properties"]["space"]["enum"] = list(SPACES.names)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A study of polystilts"}


def _allow_one(value: dict[str, Any]) -> None:
    """One value is short for a list of it."""
    value.pop("minLength", None)  # pydantic's word for the least length of whatever a reader gives
    lists = [each for each in (value, *value.get("anyOf", ())) if each.get("type") == "array"]
    for each in lists:
        each.pop("minLength", None)
        long = {name: each.pop(name) for name in tuple(each) if name in ("type", "items")}
        each["anyOf"] = [long, long["items"]]


def _allow_names(value: dict[str, Any], known: Sequence[str] | None) -> None:
    """A list of names is short for a mapping of names to settings, which may be empty."""
    value.pop("minLength", None)
    names: dict[str, Any] = {"type": "string"} if known is None else {"enum": list(known)}
    settings = {"anyOf": [value.pop("additionalProperties"), {"type": "null"}]}
    long = {"type": value.pop("type"), "additionalProperties": settings, "propertyNames": names}
    value["anyOf"] = [long, {"type": "array", "items": names, "uniqueItems": True}]


def _records() -> Iterator[type[Record]]:
    """The study and all that lie in its fields, in the order in which they are met."""
    met: dict[type[Record], None] = {Study: None}
    waiting: list[type[Record]] = [Study]
    while waiting:
        for field in waiting.pop().model_fields.values():
            for found in _classes(field.annotation):
                if found not in met:
                    met[found] = None
                    waiting.append(found)
    return iter(met)


def _classes(annotation: Any) -> Iterator[type[Record]]:
    if inspect.isclass(annotation) and issubclass(annotation, Record):
        yield annotation
    for part in get_args(annotation):
        yield from _classes(part)


def _readers(field: Any) -> Iterator[object]:
    """The functions that read a field's short forms, wherever in its type they stand."""
    for part in (*getattr(field, "metadata", ()), *get_args(getattr(field, "annotation", field))):
        if isinstance(part, BeforeValidator):
            yield part.func
        else:
            yield from _readers(part)


def _field_docs(record: type[Record]) -> dict[str, str]:
    """The line below each field of a record."""
    (source,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(source, ast.ClassDef)
    docs = {}
    for field, below in zip(source.body, source.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = " ".join(text.split())
    return docs
