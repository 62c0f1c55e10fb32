"""What task files declared when their stages were stored: a file that says otherwise under the same version would be served old results.

<store>/tasks.json    by task and version; a run adds what is not there
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sweeps.study import StudyError
from trainables.store_files import StoreFiles
from trainables.task import TASKS

FILE = "tasks.json"
_DECLARED = ("kind", "source_language", "labels", "metrics", "num_options", "has_unanswerable", "is_mining", "text_fields")
_RECORDED = TypeAdapter(dict[str, dict[str, dict[str, Any]]])


def check_declared(files: StoreFiles, tasks: Iterable[str]) -> None:
    """A StudyError has a line for each task that declares something else than before under the version that it had."""
    recorded = _read(files)
    lines = []
    for name in tasks:
        version, now = str(TASKS.load(name).version), _declared(name)
        before = recorded.get(name, {}).get(version, now)
        lines += [
            f"trainables/tasks/{name}.py: {field} is {now[field]!r}, but was {before[field]!r} when stages of version {version} were "
            "stored; raise its version, so that they are computed again"
            for field in _DECLARED
            if field in before and before[field] != now[field]
        ]
    if lines:
        raise StudyError("\n".join(lines))


def record_declared(files: StoreFiles, tasks: Iterable[str]) -> None:
    """What the stages of a run that begins rest on."""
    recorded = _read(files)
    news = [name for name in tasks if str(TASKS.load(name).version) not in recorded.get(name, {})]
    for name in news:
        recorded.setdefault(name, {})[str(TASKS.load(name).version)] = _declared(name)
    if news:
        files.write(FILE, json.dumps(recorded, indent=1).encode())


def _declared(name: str) -> dict[str, Any]:
    task = TASKS.load(name)
    return dict(json.loads(json.dumps({field: getattr(task, field) for field in _DECLARED})))


def _read(files: StoreFiles) -> dict[str, dict[str, dict[str, Any]]]:
    """Empty if there is none, or if it is damaged: then runs begin to record anew."""
    try:
        return _RECORDED.validate_json(files.read(FILE) or b"{}")
    except ValidationError:
        return {}
