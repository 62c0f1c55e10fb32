"""Python imports this at its start where the folder is on PYTHONPATH: a process then ends by SIGKILL at the call that `KILL_AT` names.

Workers of a local Ray cluster have the driver's environment, so the call may be theirs.
"""

import functools
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

_POINT = json.loads(os.environ.get("KILL_AT", "null"))
_num_calls = 0


def _die() -> None:
    """Once for all processes; where the driver is to die too, it goes first."""
    try:
        os.close(os.open(_POINT["reached"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    if not _POINT["worker_alone"]:
        os.kill(int(os.environ["KILL_AT_DRIVER"]), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _killing(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        global _num_calls
        is_meant = _POINT["about"] in repr((arguments, named))
        _num_calls += is_meant
        is_now = is_meant and _num_calls == _POINT["call"]
        if is_now and _POINT["when"] == "before":
            _die()
        found = function(*arguments, **named)
        if is_now:
            _die()
        return found

    return call


def _wrap(module: ModuleType) -> None:
    *owners, name = _POINT["name"].split(".")
    owner = functools.reduce(getattr, owners, module)
    setattr(owner, name, _killing(getattr(owner, name)))


class _Finder:
    """Wraps the function as soon as its module is imported."""

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name != _POINT["module"]:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_wrap(module: ModuleType) -> None:
            execute(module)
            _wrap(module)

        spec.loader.exec_module = execute_and_wrap  # type: ignore[method-assign]
        return spec


if _POINT is not None:
    os.environ.setdefault("KILL_AT_DRIVER", str(os.getpid()))
    if _POINT["module"] in sys.modules:
        _wrap(sys.modules[_POINT["module"]])
    else:
        sys.meta_path.insert(0, _Finder())
