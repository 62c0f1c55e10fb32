"""An S3 server on loopback, and a proxy before it that answers with errors and delays."""

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.ports import free_port

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def object_store() -> Iterator[int]:
    """The port of a server with an empty bucket."""
    os.environ.update(CREDENTIALS)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _create_bucket(port)
        yield port
    finally:
        server.terminate()
        server.wait()


class Faults:
    """What the proxy does to the requests that come next."""

    num_errors = 0
    """Requests that are answered by 503."""
    delay_s = 0.0

    def __init__(self) -> None:
        self.requests: list[str] = []
        """Seen so far: method and path."""


@contextmanager
def faulty(uri: str) -> Iterator[tuple[str, Faults]]:
    """The URI of the same bucket behind a proxy, and its faults, at first none."""
    faults = Faults()
    target = uri.partition("endpoint_override=")[2].partition("&")[0]
    lock = threading.Lock()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self._body()
            with lock:
                faults.requests.append(f"{self.command} {self.path}")
                fails = faults.num_errors > 0
                faults.num_errors -= fails
            time.sleep(faults.delay_s)
            if fails:
                self._answer(503, {}, b"")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ("transfer-encoding", "expect")}
            request = urllib.request.Request(f"http://{target}{self.path}", body, headers, method=self.command)
            try:
                with urllib.request.urlopen(request) as answer:
                    self._answer(answer.status, dict(answer.headers), answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, dict(error.headers), error.read())

        def _body(self) -> bytes | None:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self, code: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(code)
            length = headers.get("Content-Length") if self.command == "HEAD" else None
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass

        def log_message(self, *_words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield uri.replace(target, f"127.0.0.1:{server.server_address[1]}"), faults
    finally:
        server.shutdown()
        server.server_close()


def uri_below(port: int, prefix: str) -> str:
    """A place in the bucket, with the address of its server."""
    return f"s3://bucket/{prefix}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"


def _create_bucket(port: int) -> None:
    """When the server is there."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
    for _ in range(300):
        try:
            urllib.request.urlopen(request).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("no S3 server came up")
