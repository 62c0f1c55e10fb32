"""The one writer to MLflow, a thread of the driver: a sweep never waits for it, and what cannot be written now is spooled to disk."""

import contextlib
import logging
import os
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter, ValidationError

from sweeps.events import Event, Finished, Reported, Started

if TYPE_CHECKING:
    from sweeps.mlflow_view import MlflowView

GATHER_S = 2.0
"""Events are written together: of a stage that ended meanwhile only its end, which for short trials more than halves the work."""
RETRY_AFTER_S = 60.0
MLFLOW_SETTINGS = {
    # MLflow's own 8 tries of up to 120 s each would hold back everything behind one request; what fails is spooled anyway.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # Migrations, the address of every ended run, and the tracebacks of errors that we catch would be printed into the progress display.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A sweep calls nobody that its user did not name.
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Set unless the user has set them."""

_events: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
_log = logging.getLogger(__name__)


def tracking_uri(home: Path) -> str:
    """`MLFLOW_TRACKING_URI` where it is set, else a database in `home`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home.resolve() / 'mlflow.db'}"


class Tracker:
    """Writes the events of one study to MLflow, in their order, in the background.

    Every event may be logged any number of times: runs are found by their tags and metrics have fixed times, so a repetition adds
    nothing. Rebuilding MLflow from the store is therefore logging `Finished`, `Evaluated` and `Selected` for all its manifests.
    """

    def __init__(self, home: Path, study: str, description: str) -> None:
        """Returns at once; the thread imports MLflow and creates or migrates its database, which takes seconds."""
        for name, value in MLFLOW_SETTINGS.items():
            os.environ.setdefault(name, value)
        home.mkdir(parents=True, exist_ok=True)
        self._home, self._study, self._description = home, study, description
        self.uri = tracking_uri(home)
        self._spool = _Spool(home / "spool" / f"{study}.jsonl")
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._in_hand: list[Event] = []
        self._is_closing = threading.Event()
        self._retry_at_s = 0.0
        self._has_warned = False
        self._num_lost, self._why_lost = 0, ""
        self._thread = threading.Thread(target=self._write, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, event: Event) -> None:
        """Never waits and never fails."""
        self._queue.put(event)

    def close(self, timeout_s: float | None) -> int:
        """Writes what is left, for `timeout_s` at most, if it is given; the number of events that wait for the next one of this study."""
        self._queue.put(None)
        self._is_closing.set()
        self._thread.join(timeout_s)
        left = _drain(self._queue)
        for event in [*self._in_hand, *left]:  # what is in hand may yet be written as well, which does no harm
            self._put_aside(event)
        self._queue.put(None)
        num_waiting = self._spool.compact()
        if num_waiting:
            _log.warning("%d events of study %s wait for MLflow in %s", num_waiting, self._study, self._spool.path)
        if self._num_lost:
            _log.warning("%d events could not even be spooled (%s); `polystilts sync` brings them back", self._num_lost, self._why_lost)
        return num_waiting + self._num_lost

    def _write(self) -> None:
        # MLflow takes seconds to import: here, so that no verb of the command line and no sweep waits for it.
        from sweeps.mlflow_view import FAILURES

        view = self._connect()
        while (first := self._queue.get()) is not None:
            self._in_hand = [first]
            self._is_closing.wait(GATHER_S)
            self._in_hand += _drain(self._queue)
            for event in _condensed(self._in_hand):
                if view is None and time.monotonic() >= self._retry_at_s:
                    view = self._connect()
                if view is None:
                    self._put_aside(event)
                    continue
                try:
                    view.apply(event)
                except FAILURES as error:
                    self._warn(error)
                    self._put_aside(event)
                    view = None
            self._in_hand = []
        if view is None:
            self._connect()

    def _connect(self) -> "MlflowView | None":
        """MLflow, after what was spooled earlier is written; None if either cannot be done now."""
        from sweeps.mlflow_view import FAILURES, MlflowView, create_database  # see _write

        try:
            if "MLFLOW_TRACKING_URI" not in os.environ:
                create_database(self._home.resolve() / "mlflow.db")
            view = MlflowView(self.uri, self._study, self._description, self._home / "mlartifacts" / self._study)
            waiting, num_bytes = self._spool.read()
            for event in waiting:
                view.apply(event)
        except FAILURES as error:
            self._warn(error)
            return None
        self._spool.remove(num_bytes)
        return view

    def _put_aside(self, event: Event) -> None:
        """On disk; an event that finds no place there is lost to MLflow until the next run or `sync` says it again, and counted."""
        try:
            self._spool.append(event)
        except OSError as error:
            self._num_lost += 1
            self._why_lost = _first_line(error)

    def _warn(self, error: Exception) -> None:
        self._retry_at_s = time.monotonic() + RETRY_AFTER_S
        if not self._has_warned:
            _log.warning("MLflow at %s: %s; the study goes on, its events wait in %s", self.uri, _first_line(error), self._spool.path)
        self._has_warned = True


class _Spool:
    """Events that wait for MLflow, one JSON a line; both the writer and the closing thread append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, event: Event) -> None:
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                # The newline before it keeps an event apart from one that a sudden end has cut short.
                file.write(b"\n" + event.model_dump_json().encode() + b"\n")

    def read(self) -> tuple[list[Event], int]:
        """The events in their order, and the size of the file that held them."""
        text = self._bytes()
        events, num_unreadable = [], 0
        for line in filter(None, text.split(b"\n")):
            try:
                events.append(_events.validate_json(line))
            except ValidationError:
                num_unreadable += 1
        if num_unreadable:
            _log.warning(
                "%d events in %s cannot be read and are left out; running the study again brings them back", num_unreadable, self.path
            )
        return events, len(text)

    def remove(self, num_bytes: int) -> None:
        """Removes the file whose `num_bytes` were written to MLflow; all of it stays, to be written again, if it has grown since."""
        with self._lock:
            if self.path.exists() and self.path.stat().st_size == num_bytes:
                self.path.unlink()

    def compact(self) -> int:
        """Leaves of what is there several times the last, for what was said last is true; returns the number of events.

        Whoever runs or syncs a study tells all that the store has, however often nobody listened before.
        """
        with self._lock:
            lines = [line for line in self._read().split(b"\n") if line]
            kept = list(dict.fromkeys(reversed(lines)))[::-1]
            if len(kept) < len(lines):
                aside = self.path.with_suffix(".new")
                with contextlib.suppress(OSError):  # a full disk: what is there is whole, and only longer
                    aside.write_bytes(b"\n".join(kept) + b"\n")
                    os.replace(aside, self.path)
            return len(kept)

    def _bytes(self) -> bytes:
        with self._lock:
            return self._read()

    def _read(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""


def _drain(waiting: queue.SimpleQueue[Event | None]) -> list[Event]:
    """What waits now, up to the None that ends it, which stays."""
    events: list[Event] = []
    while True:
        try:
            event = waiting.get_nowait()
        except queue.Empty:
            return events
        if event is None:
            waiting.put(None)
            return events
        events.append(event)


def _condensed(events: list[Event]) -> list[Event]:
    """`events` without the starts and reports of stages that finish among them: `Finished` says it all."""
    finished = {event.manifest.key for event in events if isinstance(event, Finished)}
    return [event for event in events if not (isinstance(event, Started | Reported) and event.key in finished)]


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:200]
