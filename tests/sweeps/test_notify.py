"""A webhook on loopback that listens, refuses, hangs or sends elsewhere: what it is told, and that nobody waits for it."""

import json
import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sweeps.brakes import Brakes, Limits
from sweeps.notify import Notifier, webhook_url
from sweeps.study import StudyError
from tests.sweeps.processes import command, environment

SECRET = "T0KEN/secret"
STUDY = """
name: told
source_language: qaa
models: {pocket: {family: xlm_roberta, folder: ENCODER}}
intermediates: {pocket_colour_class: {training: {learning_rate: 1.0e+30, steps: 5}}}
targets: {pocket_flavour_class: {test: "test[:20]", languages: [qaa]}}
intermediate_training: {max_length: 64, num_evals: 1}
target_training: {steps: 5, max_length: 64, num_evals: 1}
search: {space: pocket, trials: 1, replicates: 2}
"""
ENCODER = Path(__file__).parents[2] / "trainables" / "pocket" / "encoder"


class Listener:
    """What came in, and what is answered: a status, or nothing for so long."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.came: list[dict[str, Any]] = []
        self.status = 200
        self.silent_s = 0.0


@contextmanager
def listening() -> Iterator[Listener]:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            listener.came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            is_over.wait(listener.silent_s)
            self.send_response(listener.status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    server, is_over = ThreadingHTTPServer(("127.0.0.1", 0), Hook), threading.Event()
    listener = Listener(f"http://127.0.0.1:{server.server_port}/services/{SECRET}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hook() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def tell_all(url: str | None) -> float:
    """Each event several times, as a run may; the seconds that the teller spent."""
    began = time.monotonic()
    with Notifier("small", url) as notifier:
        for number in range(3):
            notifier.first_failure(f"stage {number}", "a loss of <nan> & more")
            notifier.budget(f"8{number} of 100 are spent")
        notifier.end("failed", "finished; 3 stages failed")
    return time.monotonic() - began


def test_each_event_comes_once_with_a_text_that_slack_shows(hook: Listener) -> None:
    assert tell_all(hook.url) < 2
    assert hook.came == [
        {
            "event": "first_failure",
            "study": "small",
            "text": "polystilts small: first failure: stage 0: a loss of &lt;nan&gt; &amp; more",
        },
        {"event": "budget", "study": "small", "text": "polystilts small: 80 of 100 are spent"},
        {"event": "end", "study": "small", "text": "polystilts small: finished; 3 stages failed", "status": "failed"},
    ]


def test_a_run_that_ends_by_an_error_says_so(hook: Listener) -> None:
    with pytest.raises(KeyError), Notifier("small", hook.url):
        raise KeyError(SECRET)
    assert hook.came == [{"event": "end", "study": "small", "text": "polystilts small: ended by KeyError", "status": "error"}]


def test_long_errors_are_cut(hook: Listener) -> None:
    with Notifier("small", hook.url) as notifier:
        notifier.first_failure("stage", "x" * 10_000)
    assert len(hook.came[0]["text"]) < 2100
    assert hook.came[0]["text"].endswith("...")


@pytest.mark.parametrize(("status", "num_tries"), [(500, 2), (302, 2), (204, 1)])
def test_what_is_refused_is_tried_twice_and_said_once_without_the_url(
    hook: Listener, status: int, num_tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = status
    with caplog.at_level(logging.DEBUG):
        tell_all(hook.url)
    assert [each["event"] for each in hook.came] == [event for event in ("first_failure", "budget", "end") for _ in range(num_tries)]
    said = [record.getMessage() for record in caplog.records]
    assert said == ([f"the webhook could not be told of 'first_failure': it answers {status}; the study goes on"] if num_tries > 1 else [])


def test_one_that_hangs_holds_nobody_up(hook: Listener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.notify.TIMEOUT_S", 0.3)
    monkeypatch.setattr("sweeps.notify.CLOSE_S", 1.0)
    hook.silent_s = 30
    assert tell_all(hook.url) < 1.5
    assert hook.came[0]["event"] == "first_failure"
    assert SECRET not in caplog.text


def test_where_nobody_listens_it_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    tell_all(f"http://127.0.0.1:1/{SECRET}")
    assert [record.getMessage() for record in caplog.records] == [
        "the webhook could not be told of 'first_failure': URLError; the study goes on"
    ]


def test_without_a_url_nothing_is_started() -> None:
    before = threading.active_count()
    with Notifier("small", None) as notifier:
        notifier.end("finished", "")
        assert threading.active_count() == before


@pytest.mark.parametrize("url", [f"ftp://host/{SECRET}", f"file:///{SECRET}", f"hooks.slack.com/{SECRET}", f"http://[{SECRET}", "http://"])
def test_what_is_no_web_address_is_refused_and_not_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (url, None):
        monkeypatch.setenv("POLYSTILTS_WEBHOOK", url)
        with pytest.raises(StudyError, match="must be a URL that begins with http") as raised:
            webhook_url(given)
        assert SECRET not in str(raised.value)
        assert "T0KEN" not in str(raised.value)


def test_an_argument_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYSTILTS_WEBHOOK", raising=False)
    assert webhook_url(None) is None
    monkeypatch.setenv("POLYSTILTS_WEBHOOK", "https://one/x")
    assert webhook_url(None) == "https://one/x"
    assert webhook_url("https://two/x") == "https://two/x"


def test_most_of_a_limit_is_told_of_devices_and_of_money(tmp_path: Path) -> None:
    now = [0.0]
    brakes = Brakes([tmp_path], Limits(1.0, 10.0, {"H100": 5.0}), clock=lambda: now[0])
    assert Brakes([tmp_path], Limits(), clock=lambda: now[0]).near() is None
    brakes.began("one", 1.0)
    now[0] = 0.79 * 3600
    assert brakes.near() is None
    now[0] = 0.8 * 3600
    assert brakes.near() == "0.80 of 1 device-hours are used"
    by_cost = Brakes([tmp_path], Limits(None, 10.0, {"H100": 5.0}), clock=lambda: now[0])
    by_cost.began("one", 2.0)
    now[0] += 0.8 * 3600
    assert by_cost.near() == "8.00 of 10 are spent"


@pytest.mark.slow
def test_a_run_tells_of_its_first_failure_and_of_its_end_and_keeps_the_url_to_itself(hook: Listener, tmp_path: Path) -> None:
    (tmp_path / "told.yaml").write_text(STUDY.replace("ENCODER", str(ENCODER)))
    variables = environment(POLYSTILTS_WEBHOOK=hook.url)
    words = command(tmp_path / "told.yaml", tmp_path / "home")
    ran = subprocess.run(words, capture_output=True, text=True, check=False, env=variables)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert [(each["event"], each.get("status")) for each in hook.came] == [("first_failure", None), ("end", "failed")]
    assert "pocket_colour_class" in hook.came[0]["text"]
    hook.came.clear()
    paused = subprocess.run([*words, "--max-hours", "0"], capture_output=True, text=True, check=False, env=variables)
    assert paused.returncode == 3, paused.stdout + paused.stderr
    assert [(each["event"], each.get("status")) for each in hook.came] == [("budget", None), ("end", "paused")]
    written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert SECRET not in ran.stdout + ran.stderr + paused.stdout + paused.stderr
