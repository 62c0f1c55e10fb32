"""A real MLflow server on loopback, and a proxy before it that can be slow or answer with errors."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.ports import free_port
from tests.sweeps.processes import environment

HOP = ("connection", "transfer-encoding", "content-length")
"""Headers that are of one connection alone."""


class Server:
    """`mlflow server` on one port, from start to start the same database."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        """Its database is one of SQLite's in the folder, if no other is named; artifacts go through it, into the folder."""
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._database = database or f"sqlite:///{folder}/served.db"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        store = ["--backend-store-uri", self._database, "--serve-artifacts", "--artifacts-destination", str(self._folder / "served")]
        listen = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *store, *listen],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline, "mlflow server does not come up"
            time.sleep(0.2)

    def kill(self) -> None:
        """At once, with its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                return True
        except OSError:
            return False


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server; `status` answers them all with an error instead, `delay_s` holds them back."""

    daemon_threads = True

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_port_behind = server.port
        self.uri = f"http://127.0.0.1:{self.server_port}"
        self.status: int | None = None
        self.delay_s = 0.0
        self.num_requests = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def _pass_on(self) -> None:
        self.server.num_requests += 1
        time.sleep(self.server.delay_s)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.status is not None:
            self.send_error(self.server.status)
            return
        behind = http.client.HTTPConnection("127.0.0.1", self.server.server_port_behind)
        behind.request(self.command, self.path, body, {name: value for name, value in self.headers.items() if name.lower() not in HOP})
        found = behind.getresponse()
        content = found.read()
        self.send_response(found.status)
        for name, value in found.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

    def log_message(self, *_: object) -> None:
        pass
