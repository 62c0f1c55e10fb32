"""What a stage says while it runs, in a file of the store, whoever computes it: its progress, warnings, what libraries print, how it ended.

<store>/logs/<key>.txt    one attempt after another
"""

import contextlib
import logging
import os
import re
import socket
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from trainables.interruption import InterruptedStageError
from trainables.store_files import StoreFiles

UPLOAD_EVERY_S = 30.0
"""On an object store, which appends nothing."""

_TIME_FORMAT, _TIME = "%Y-%m-%d %H:%M:%S", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_BEGINS, _DONE, _FAILED, _INTERRUPTED = "begins: ", "done", "failed\n", "interrupted: "

Say = Callable[[str], None]


def log_path(key: str) -> str:
    """In the store."""
    return f"logs/{key}.txt"


def has_ended(text: str) -> bool:
    """Whether the last attempt of a log is over."""
    _, _, last = text.rpartition(f" {_BEGINS}")
    return any(f" {end}" in last for end in (_DONE, _FAILED, _INTERRUPTED))


def failed_at(text: str) -> datetime | None:
    """When the last attempt of a log failed; None if it did not."""
    _, _, last = text.rpartition(f" {_BEGINS}")
    found = re.search(rf"^({_TIME}) {_FAILED}", last, re.MULTILINE)
    return None if found is None else datetime.strptime(found[1], _TIME_FORMAT)


@contextlib.contextmanager
def stage_log(files: StoreFiles, key: str) -> Iterator[Say]:
    """Meanwhile all that this process logs and prints goes to the stage's file, and what is said through the given function."""
    with _open(files, log_path(key)) as (file, keep):

        def say(text: str) -> None:
            file.write(f"{time.strftime(_TIME_FORMAT)} {text}\n")
            file.flush()
            keep()

        say(f"{_BEGINS}process {os.getpid()} on {socket.gethostname()}")
        try:
            with _caught(file):
                yield say
        except InterruptedStageError as error:
            say(f"{_INTERRUPTED}{error.reason}")
            raise
        except BaseException:
            say(f"{_FAILED}{traceback.format_exc().rstrip()}")
            raise
        say(_DONE)


@contextlib.contextmanager
def failures_logged(files: StoreFiles, key: str) -> Iterator[None]:
    """For a process that shares a stage with the one that keeps its log: that hears of a failure alone."""
    try:
        yield
    except InterruptedStageError:
        raise
    except BaseException:
        with _open(files, log_path(key)) as (file, _):
            file.write(f"on {socket.gethostname()}, process {os.getpid()}:\n{traceback.format_exc()}")
        raise


@contextlib.contextmanager
def _open(files: StoreFiles, path: str) -> Iterator[tuple[IO[str], Callable[[], None]]]:
    """The file to write to, and what makes the store have what was written."""
    if files.is_local:
        place = files.local(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "a", encoding="utf-8", buffering=1) as file:
            yield file, lambda: None
        return
    with tempfile.NamedTemporaryFile("w", prefix="polystilts-log-", suffix=".txt", encoding="utf-8") as temporary:
        temporary.write((files.read(path) or b"").decode(errors="replace"))
        uploaded_at_s = time.monotonic()

        def upload() -> None:
            with contextlib.suppress(OSError):  # a stage does not fail for its log
                files.upload(Path(temporary.name), path)

        def keep() -> None:
            nonlocal uploaded_at_s
            if time.monotonic() - uploaded_at_s > UPLOAD_EVERY_S:
                upload()
                uploaded_at_s = time.monotonic()

        try:
            yield temporary.file, keep
        finally:
            temporary.flush()
            upload()


@contextlib.contextmanager
def _caught(file: IO[str]) -> Iterator[None]:
    """What is logged, from warnings on, and printed, in the file too."""
    handler = logging.StreamHandler(file)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", _TIME_FORMAT))
    logging.captureWarnings(True)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield
    finally:
        logging.getLogger().removeHandler(handler)
        logging.captureWarnings(False)
