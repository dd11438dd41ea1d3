"""Requests as fast as they are answered, over connections that stay open.

`python -m benchmarks.load PORT SECONDS CONNECTIONS awake|asleep` reads the bytes of one request from stdin and prints
a `Load` as JSON.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import cast

import msgspec

from benchmarks.servers import pin

CONNECTIONS = 32
GRACE_SECONDS = 20.0
AWAKE = "awake"
GENERATOR = "own load generator, awake except before proxies"
"""What figures name as what made the load, so that none is compared with figures of another one."""

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Load(msgspec.Struct, frozen=True):
    """`answered` requests in `seconds`, of which `failed` were not answered with 200."""

    answered: int
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.answered / self.seconds


def offer(
    port: int,
    path: str,
    headers: Mapping[str, str],
    seconds: float,
    core: int | None,
    connections: int = CONNECTIONS,
    *,
    is_awake: bool = False,
) -> Load:
    """Load one server from one core. Raises AssertionError when an answer was not 200.

    `is_awake` is for servers that share that core with nothing but what they ask (`stay_awake`).
    """
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{lines}\r\n".encode()
    command = [
        sys.executable,
        "-m",
        "benchmarks.load",
        str(port),
        str(seconds),
        str(connections),
        manner(core, is_awake),
    ]
    load = msgspec.json.decode(finish(command, request, seconds, core), type=Load)
    if load.failed or not load.answered:
        raise AssertionError(f"{load.failed} of {load.answered} requests were not answered with 200")
    return load


def manner(core: int | None, is_awake: bool) -> str:
    """The word for how a generator waits. Without a core of its own it would take the server's."""
    return AWAKE if is_awake and core is not None else "asleep"


def stay_awake(loop: asyncio.AbstractEventLoop) -> None:
    """Wait for answers without ever sleeping.

    Whoever writes to a process that sleeps pays for waking it: some 8 µs of the server's CPU time. A fast server
    hardly ever lets the generator sleep, one that does more per request would pay it for every answer, and the ratio
    of the two would tell of that as well.
    """

    def turn() -> None:
        os.sched_yield()  # what else is on this core goes first: Redis
        loop.call_soon(turn)

    loop.call_soon(turn)


def finish(command: list[str], given: bytes, seconds: float, core: int | None) -> str:
    """What a generator printed that was pinned to a core and given this."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            pin(process.pid, core)
            return process.communicate(given, timeout=seconds + GRACE_SECONDS)[0].decode()
        finally:
            process.kill()


class Client(asyncio.Protocol):
    """One connection: sends, counts the answer when its body is complete, sends again."""

    def __init__(self, request: bytes) -> None:
        self.answered = self.failed = 0
        self._request = request
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Of a stream; uvloop's transports are not classes of asyncio.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Go on when the answer is complete."""
        received = self._received + data
        head_end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, head_end) if head_end >= 0 else None
        if length is None or len(received) < head_end + 4 + int(length.group(1)):
            self._received = received
            return
        self._received = b""
        self.answered += 1
        if received[9:12] != b"200":
            self.failed += 1
        if self._transport is not None:
            self._transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody should close: that counts as a failure."""
        if self._transport is not None and not self._transport.is_closing():
            self.failed += 1


async def run(port: int, seconds: float, request: bytes, connections: int, *, is_awake: bool) -> Load:
    """Load from all connections."""
    loop = asyncio.get_running_loop()
    if is_awake:
        stay_awake(loop)
    pairs = [await loop.create_connection(lambda: Client(request), "127.0.0.1", port) for _ in range(connections)]
    clients = [client for _, client in pairs]
    before = sum(client.answered for client in clients)
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    last = started + GRACE_SECONDS / 2
    # A busy machine may need longer than a short round for its first answer. Clients tell nobody: it would cost them.
    while sum(client.answered for client in clients) == before and time.perf_counter() < last:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    took = time.perf_counter() - started
    load = Load(sum(client.answered for client in clients) - before, sum(client.failed for client in clients), took)
    for transport, _ in pairs:
        transport.abort()
    return load


if __name__ == "__main__":
    import uvloop

    given = sys.stdin.buffer.read()
    measured = uvloop.run(
        run(int(sys.argv[1]), float(sys.argv[2]), given, int(sys.argv[3]), is_awake=sys.argv[4] == AWAKE)
    )
    sys.stdout.write(msgspec.json.encode(measured).decode())
