"""A gateway in processes of its own, an upstream behind it, and clients that know which worker answers them."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gateway_auth.server.listening import free_port
from tests.cli.command import command, environment

START_SECONDS = 30.0
STOP_SECONDS = 30.0


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Says which headers came; `/slow` takes a second."""
        if "slow" in self.path:
            time.sleep(1.0)
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def upstream() -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Client:
    """One connection, which stays with one worker."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.worker = ""

    def get(self, path: str, key: str = "") -> int:
        """The status."""
        return self.answer(path, key)[0]

    def answer(self, path: str, key: str = "") -> tuple[int, bytes]:
        """Status and body. `worker` then tells which process answered: its request ids begin alike."""
        self._connection.request("GET", path, headers={"x-api-key": key} if key else {})
        response = self._connection.getresponse()
        body = response.read()
        self.worker = (response.getheader("x-request-id") or "").partition("-")[0][:16]
        return response.status, body

    def close(self) -> None:
        """Leave."""
        self._connection.close()


@dataclass
class Server:
    """A running `gateway-auth serve`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def clients(self, workers: int) -> list[Client]:
        """One connection to each worker."""
        found: dict[str, Client] = {}
        deadline = time.monotonic() + START_SECONDS
        while len(found) < workers and time.monotonic() < deadline:
            client = Client(self.port)
            client.get("/.gateway/")
            if client.worker in found:
                client.close()
            found.setdefault(client.worker, client)
        assert len(found) == workers
        return list(found.values())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def log_lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


@contextmanager
def serving(directory: Path, *arguments: str) -> Iterator[Server]:
    """Start it in `directory`, wait until it answers, and leave no process behind."""
    port, log = free_port(), directory / "serve.log"
    words = command("serve", "--listen", f"127.0.0.1:{port}", *arguments)
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            words, cwd=directory, env=environment(), stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        )
    server = Server(process, port, log)
    try:
        eventually(lambda: answers(server), START_SECONDS)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)


def answers(server: Server) -> bool:
    """Whether it serves. Fails the test when it has ended instead."""
    assert server.process.poll() is None, server.log.read_text("utf-8")
    client = Client(server.port)
    try:
        return client.get("/.gateway/") == 403
    except OSError:
        return False
    finally:
        client.close()


def eventually(is_so: Callable[[], bool], seconds: float) -> float:
    """How long it took, which is at most `seconds`."""
    start = time.monotonic()
    while not is_so():
        assert time.monotonic() - start < seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - start


def children(pid: int) -> list[int]:
    """The processes it started."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    return [int(word) for word in text.split() if is_alive(int(word))]


def is_alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not waited for does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return False
