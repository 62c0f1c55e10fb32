"""Reads YAML as its version 1.2 does, so that `1e-5` is a number, `no` a language and a key given twice an error."""

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import yaml

Number = TypeVar("Number", int, float)


_MAX_VALUES = 100_000
"""Of a study with hundreds of tasks and languages; anchors of anchors could stand for more than any memory holds."""


class _Loader(yaml.SafeLoader):
    pass


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
}
for _tag, _pattern, _first in (
    ("bool", r"true|True|false|False", "tTfF"),
    ("null", r"~|null|Null|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    return _number(int, loader, node)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return _number(float, loader, node)


def _construct_bool(loader: _Loader, node: yaml.ScalarNode) -> bool:
    value = str(loader.construct_scalar(node))
    if value.lower() not in ("true", "false"):
        raise yaml.constructor.ConstructorError(None, None, f"{value!r} is not true or false", node.start_mark)
    return value.lower() == "true"


def _number(kind: Callable[[str], Number], loader: _Loader, node: yaml.ScalarNode) -> Number:
    text = str(loader.construct_scalar(node))
    try:
        return kind(text)
    except ValueError:  # not a number in spite of its tag, or of thousands of digits
        shown = text if len(text) <= 20 else f"{text[:20]}..."
        raise yaml.constructor.ConstructorError(None, None, f"{shown!r} cannot be read as a number", node.start_mark) from None


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a list or mapping cannot be a key; are there braces too many?", key_node.start_mark
            )
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def read_yaml(text: str, name: str) -> object:
    """The value of a YAML text; a ValueError names the file and line of a syntax error."""
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{name}, line {line}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError(f"{name}: lists or mappings lie too deep in each other; are there brackets too many?") from None
    if _num_values(value, {}) > _MAX_VALUES:
        raise ValueError(f"{name}: with what its anchors stand for it has more than {_MAX_VALUES:,} values; write out what is meant")
    return value


def _num_values(value: object, counted: dict[int, float]) -> float:
    """With anchors counted wherever they stand, each looked at once; infinite for one within itself."""
    if not isinstance(value, (list, dict)):
        return 1
    if id(value) not in counted:
        counted[id(value)] = math.inf
        counted[id(value)] = 1 + sum(_num_values(each, counted) for each in (value.values() if isinstance(value, dict) else value))
    return counted[id(value)]
