"""The listener of `gateway.status_listen`: `/metrics`, `/healthz` and `/readyz`, summed over all workers of one server.

It runs in a thread of the process that starts the workers, knows their snapshots alone, and takes no part in requests.
"""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from os import register_at_fork
from pathlib import Path
from socketserver import ThreadingTCPServer

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gateway_auth.core.condition import ALIVE, Condition
from gateway_auth.core.measures import Series
from gateway_auth.errors import CannotServe
from gateway_auth.prometheus import Family, families
from gateway_auth.server.listening import spelled
from gateway_auth.server.snapshots import Snapshots

POLL_SECONDS = 0.5
SWEEP_SECONDS = 5.0
CLIENT_SECONDS = 5.0
MAX_CLIENTS = 16
"""Answered at the same time; others are hung up on. Whoever watches a gateway is few."""

Answer = tuple[int, str, bytes]


class StatusPages:
    """What is answered, by path. Asked by several threads."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._lock = threading.Lock()

    def answer(self, path: str) -> Answer | None:
        """Status, media type and body; None where there is no such page."""
        if path == "/healthz":
            return _told(ALIVE)
        if path == "/readyz":
            return _told(self.read()[0])
        if path == "/metrics":
            return 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(_Numbers(self.read()[1]))
        return None

    def read(self) -> tuple[Condition, dict[Series, float]]:
        """All workers, now."""
        with self._lock:
            return self._snapshots.read()


class _Numbers(Collector):
    def __init__(self, readings: dict[Series, float]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Family]:
        return families(self._readings)


def _told(condition: Condition) -> Answer:
    return condition.status, "application/json", condition.body


class _Handler(BaseHTTPRequestHandler):
    """One request on a connection, read within `CLIENT_SECONDS`. HTTP/1.0: it is closed after the answer."""

    server: _Server
    timeout = CLIENT_SECONDS
    server_version = "gateway-auth"
    sys_version = ""

    def do_GET(self) -> None:
        answer = self.server.pages.answer(self.path.partition("?")[0])
        status, kind, body = answer or (404, "text/plain", b"There are /metrics, /healthz and /readyz.\n")
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: probes come every few seconds."""


class _Server(ThreadingTCPServer):
    """Not the HTTP server of the library: that one asks the name service about its own address."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = MAX_CLIENTS

    def __init__(self, address: str, port: int, pages: StatusPages) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.pages = pages
        self._swept_at = time.monotonic()
        self._places = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__((address, port), _Handler)

    def process_request(self, request: object, client_address: object) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)  # type: ignore[arg-type]  # a socket, which the base class has no word for
            return
        super().process_request(request, client_address)  # type: ignore[arg-type]  # as above

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]  # as above
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that hung up is no error of ours."""

    def service_actions(self) -> None:
        """Between requests: what workers that are gone have left is added up and removed."""
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            self.pages.read()


@contextmanager
def status_listening(listen: tuple[str, int]) -> Iterator[Path]:
    """Listen at (address, port) as long as this lasts. Gives the directory that workers write to.

    Raises CannotServe.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="gateway-auth-", ignore_cleanup_errors=True) as name:
            server = _Server(*listen, StatusPages(Snapshots(Path(name))))
            # Workers are forked with the socket, and would hold the port beyond the end of this process.
            register_at_fork(after_in_child=server.socket.close)
            thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
            thread.start()
            try:
                yield Path(name)
            finally:
                if thread.is_alive():
                    server.shutdown()
                server.server_close()
    except OSError as error:
        advice = "listen elsewhere, or see that temporary files can be written (TMPDIR)"
        raise CannotServe(f"gateway.status_listen {spelled(*listen)}: {error.strerror}; {advice}") from None
