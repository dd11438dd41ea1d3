"""Requests at a steady rate, whatever the answers do, and how long each took from when it was due.

`python -m benchmarks.pace PORT RATE SECONDS CONNECTIONS` reads the bytes of one request from stdin and prints a `Pace`
as JSON. Counted from when a request was due, a stall is seen by every request that it holds up.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping

import msgspec

from benchmarks.figure import percentile
from benchmarks.latency_systems import PERCENTILES
from benchmarks.servers import on_core

CONNECTIONS = 32
GRACE_SECONDS = 20.0

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Pace(msgspec.Struct, frozen=True):
    """Milliseconds, median and 99th percentile. Of `answered` requests `failed` were not answered with 200.

    `at` has the milliseconds of each of `latency_systems.PERCENTILES`.
    """

    answered: int
    failed: int
    p50: float
    p99: float
    at: tuple[float, ...] = ()


def offer_steadily(
    port: int, path: str, headers: Mapping[str, str], rate: float, seconds: float, core: int | None
) -> Pace:
    """Offer one server `rate` requests per second from one core. Raises AssertionError when an answer was not 200."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{lines}\r\n".encode()
    command = [sys.executable, "-m", "benchmarks.pace", str(port), str(rate), str(seconds), str(CONNECTIONS)]
    with on_core(core):
        done = subprocess.run(
            command, input=request, stdout=subprocess.PIPE, timeout=seconds + GRACE_SECONDS, check=True
        )
    pace = msgspec.json.decode(done.stdout, type=Pace)
    if pace.failed:
        raise AssertionError(f"{pace.failed} of {pace.answered} requests were not answered with 200")
    return pace


class Connection:
    """One connection, and when the request on it was due."""

    def __init__(self, port: int) -> None:
        self.due = 0.0
        self._received = b""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def ask(self, request: bytes, due: float) -> None:
        """Send one request."""
        self.due = due
        self._socket.sendall(request)

    def status(self) -> bytes:
        """The status of the answer once it is complete, until then nothing. Raises ConnectionError at its end."""
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection")
        received = self._received + data
        head_end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, head_end) if head_end >= 0 else None
        if length is None or len(received) < head_end + 4 + int(length.group(1)):
            self._received = received
            return b""
        self._received = b""
        return received[9:12]


def run(port: int, rate: float, seconds: float, request: bytes, connections: int) -> Pace:
    """Offer from all connections in turn."""
    idle = deque(Connection(port) for _ in range(connections))
    asked: set[Connection] = set()
    took: list[float] = []
    sent = failed = 0
    total = max(1, int(rate * seconds))
    started = time.perf_counter()
    while len(took) < total:
        now = time.perf_counter()
        while sent < total and idle and started + sent / rate <= now:
            connection = idle.popleft()
            connection.ask(request, started + sent / rate)
            asked.add(connection)
            sent += 1
        wait = max(0.0, started + sent / rate - time.perf_counter()) if sent < total and idle else GRACE_SECONDS
        # Of what waits for sockets this alone is told microseconds, on every Python.
        for connection in select.select(asked, (), (), wait)[0]:
            if status := connection.status():
                took.append(time.perf_counter() - connection.due)
                failed += status != b"200"
                asked.remove(connection)
                idle.append(connection)
    # The first ones opened connections to the upstream.
    settled = took[len(took) // 10 :]
    at = tuple(percentile(settled, share / 100) * 1e3 for share in PERCENTILES)
    return Pace(len(took), failed, percentile(settled, 0.5) * 1e3, percentile(settled, 0.99) * 1e3, at)


if __name__ == "__main__":
    measured = run(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.stdin.buffer.read(), int(sys.argv[4]))
    sys.stdout.write(msgspec.json.encode(measured).decode())
