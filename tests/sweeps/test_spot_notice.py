"""What a cloud's metadata server says of a machine's end, Ray is told."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sweeps.spot_notice import is_ending_on_aws, is_ending_on_gcp
from tests.faults.ray_head import ROOT, head

AWS_TOKEN = ("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "21600")
AWS_ACTION = ("GET", "/latest/meta-data/spot/instance-action", "X-aws-ec2-metadata-token", "secret")
GCP_PREEMPTED = ("GET", "/computeMetadata/v1/instance/preempted", "Metadata-Flavor", "Google")


@contextmanager
def metadata_server(answers: Mapping[tuple[str, str, str, str], str]) -> Iterator[str]:
    """Answers to a method and a path with a header of this value; 404 to all else."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            found = [text for (method, path, name, value), text in answers.items() if (method, path) == (self.command, self.path)
                     and self.headers.get(name) == value]  # fmt: skip
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write("".join(found).encode())

        do_GET = do_PUT = _answer

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answers", "is_ending"),
    [
        ({}, False),
        ({AWS_TOKEN: "secret"}, False),
        ({AWS_TOKEN: "secret", AWS_ACTION: '{"action": "terminate", "time": "2026-11-21T08:22:00Z"}'}, True),
    ],
)
def test_aws_is_asked_with_a_token(answers: Mapping[tuple[str, str, str, str], str], is_ending: bool) -> None:
    with metadata_server(answers) as url:
        assert is_ending_on_aws(url) == is_ending


@pytest.mark.parametrize(("answers", "is_ending"), [({}, False), ({GCP_PREEMPTED: "FALSE"}, False), ({GCP_PREEMPTED: "TRUE\n"}, True)])
def test_gcp_is_asked(answers: Mapping[tuple[str, str, str, str], str], is_ending: bool) -> None:
    with metadata_server(answers) as url:
        assert is_ending_on_gcp(url) == is_ending


def test_a_server_that_is_not_there_says_nothing() -> None:
    with metadata_server({}) as url:
        pass
    assert not is_ending_on_aws(url)
    assert not is_ending_on_gcp(url)


@pytest.mark.slow
def test_the_node_of_a_machine_that_ends_is_drained() -> None:
    answers: dict[tuple[str, str, str, str], str] = {}
    with head("--num-cpus", "1") as cluster, metadata_server(answers) as url:
        words = [sys.executable, "-m", "sweeps.spot_notice", "gcp", "--metadata", url]
        waiting = subprocess.Popen(words, env=cluster.environment, cwd=ROOT)
        time.sleep(2)
        assert waiting.poll() is None
        answers[GCP_PREEMPTED] = "TRUE"
        assert waiting.wait(60) == 0
        until = time.monotonic() + 30
        while any(process.name() == "raylet" for process in cluster.process.children()):
            assert time.monotonic() < until, "a node that is draining ends when nothing runs on it"
            time.sleep(0.2)
