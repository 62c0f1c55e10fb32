"""Tells a webhook of a run's end, of its first failure and of a budget that is nearly spent; no run waits for it or fails with it."""

import json
import logging
import os
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any, Literal, NamedTuple

from sweeps.study import StudyError

VARIABLE = "POLYSTILTS_WEBHOOK"
TIMEOUT_S = 5.0
"""Of one try."""
NUM_TRIES = 2
CLOSE_S = 5.0
"""A run waits no longer at its end."""
_MAX_CHARACTERS = 2000

EndStatus = Literal["finished", "failed", "paused", "error"]
"""How a run ended: all done, some stages failed, at a limit, or by an error of its own."""

_log = logging.getLogger(__name__)


class Notice(NamedTuple):
    """What a webhook is sent."""

    event: Literal["end", "first_failure", "budget"]
    text: str
    """What Slack and Mattermost show."""
    status: EndStatus | None = None
    """At the end."""


def webhook_url(given: str | None) -> str | None:
    """The URL that was given, else that of the environment; a StudyError if it is none. It is a secret, and never shown."""
    url = given or os.environ.get(VARIABLE)
    if not url:
        return None
    try:
        parts = urllib.parse.urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_sound = False
    if not is_sound:
        raise StudyError(f"--webhook or {VARIABLE}: it must be a URL that begins with http:// or https:// (not shown, for it is a secret)")
    return url


class Notifier:
    """Sends each event once, in a thread of its own; without a URL nothing. What could not be sent is one warning."""

    def __init__(self, study: str, url: str | None) -> None:
        self._study, self._url = study, url
        self._sent: set[str] = set()
        self._queue: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, name="webhook", daemon=True)

    def __enter__(self) -> "Notifier":
        if self._url is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.end("error", f"ended by {kind.__name__}")
        if self._url is not None:
            self._queue.put(None)
            self._thread.join(CLOSE_S)

    def first_failure(self, stage: str, error: str) -> None:
        """A stage failed; of later ones nothing is said before the end."""
        self._tell(Notice("first_failure", f"first failure: {stage}: {error}"))

    def budget(self, spent: str) -> None:
        """Most of what the run may spend is spent."""
        self._tell(Notice("budget", spent))

    def end(self, status: EndStatus, text: str) -> None:
        """The run is over."""
        self._tell(Notice("end", text, status))

    def _tell(self, notice: Notice) -> None:
        """Never waits and never fails."""
        if self._url is not None and notice.event not in self._sent:
            self._sent.add(notice.event)
            self._queue.put(notice)

    def _send_all(self) -> None:
        has_warned = False
        while (notice := self._queue.get()) is not None:
            problem = self._send(notice)
            if problem is not None and not has_warned:
                _log.warning("the webhook could not be told of %r: %s; the study goes on", notice.event, problem)
                has_warned = True

    def _send(self, notice: Notice) -> str | None:
        """Why it did not arrive. Not in the words of an error, which may hold the URL."""
        assert self._url is not None, "nothing is sent without a URL"
        problem = None
        for _ in range(NUM_TRIES):
            try:
                request = urllib.request.Request(self._url, _body(self._study, notice), {"Content-Type": "application/json"})
                with _opener.open(request, timeout=TIMEOUT_S):
                    return None
            except urllib.error.HTTPError as error:
                problem = f"it answers {error.code}"
                error.close()
            except (OSError, HTTPException, ValueError) as error:
                problem = type(error).__name__
        return problem


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A webhook that has moved is not followed: a POST would become a GET, and what was meant for one host would reach another."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _body(study: str, notice: Notice) -> bytes:
    text = f"polystilts {study}: {notice.text}"
    if len(text) > _MAX_CHARACTERS:
        text = f"{text[:_MAX_CHARACTERS]}..."
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # Slack would read <!channel> as an order
        text = text.replace(character, escaped)
    content = {"event": notice.event, "study": study, "text": text}
    return json.dumps(content if notice.status is None else content | {"status": notice.status}).encode()
