"""Content addresses: a record's canonical JSON, hashed."""

import hashlib
import json
import math
from collections.abc import Mapping


def canonical_json(value: object) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, every float with a fraction or an exponent.

    Only None, booleans, strings, integers, finite floats, tuples, lists and maps with string keys are allowed; a TypeError or
    ValueError names the place of anything else. `1` and `1.0` are different values.
    """
    _check(value, "")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_key(kind: str, value: object) -> str:
    """`<kind>-<16 hex>`: the address of `value` among all records of that kind."""
    return f"{kind}-{hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]}"


def _check(value: object, place: str) -> None:
    if value is None or isinstance(value, (bool, int, str)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place or 'value'} is {value}, which has no canonical form")
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str):
                raise TypeError(f"{place or 'value'} has a key that is no string: {name!r}")
            _check(item, f"{place}.{name}" if place else name)
    else:
        raise TypeError(f"{place or 'value'} is a {type(value).__name__}, which has no canonical form")
