"""Requests that differ from each other, as fast as they are answered: what `load` cannot make.

`python -m benchmarks.varied PORT SECONDS CONNECTIONS awake|asleep FILE` reads the requests, each with its length in
front, from a file and prints a `Load` as JSON. Every connection takes the next one of all; after the last comes the
first.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import cast

import msgspec

from benchmarks.load import AWAKE, CONNECTIONS, GRACE_SECONDS, Load, finish, manner, stay_awake

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_PREFIX_BYTES = 4


def offer_varied(
    port: int,
    requests: Iterable[bytes],
    seconds: float,
    core: int | None,
    connections: int = CONNECTIONS,
    *,
    is_awake: bool = False,
) -> Load:
    """Load one server with these from one core. Raises AssertionError when an answer was not 200. `is_awake` is as of
    `load.offer`.
    """
    with tempfile.NamedTemporaryFile() as file:
        for request in requests:
            file.write(len(request).to_bytes(_PREFIX_BYTES) + request)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.varied", str(port), str(seconds), str(connections)]
        command += [manner(core, is_awake), file.name]
        load = msgspec.json.decode(finish(command, b"", seconds, core), type=Load)
    if load.failed or not load.answered:
        raise AssertionError(f"{load.failed} of {load.answered} requests were not answered with 200")
    return load


def request_bytes(path: str, headers: dict[str, str], method: str = "GET", body: bytes = b"") -> bytes:
    """One request as it goes over the wire."""
    fields = {"host": "127.0.0.1", **headers}
    if body:
        fields["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection: sends, counts the answer when as many bytes came as it said, sends the next."""

    def __init__(self, following: Callable[[], bytes]) -> None:
        self.answered = self.failed = 0
        self._following = following
        self._head = b""
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Of a stream; uvloop's transports are not classes of asyncio.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._following())

    def data_received(self, data: bytes) -> None:
        """Go on when the answer is complete."""
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            head_end = self._head.find(b"\r\n\r\n")
            if head_end < 0:
                return
            length = _LENGTH.search(self._head, 0, head_end + 2)
            self._left = head_end + 4 + (int(length.group(1)) if length else 0) - len(self._head)
            self.failed += self._head[9:12] != b"200"
            self._head = b""
        if self._left <= 0:
            self._left = 0
            self.answered += 1
            if self._transport is not None:
                self._transport.write(self._following())


async def run(port: int, seconds: float, requests: Iterator[bytes], connections: int, *, is_awake: bool) -> Load:
    """Load from all connections."""
    loop = asyncio.get_running_loop()
    if is_awake:
        stay_awake(loop)
    make = lambda: Client(requests.__next__)  # noqa: E731
    pairs = [await loop.create_connection(make, "127.0.0.1", port) for _ in range(connections)]
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


def read(file: Path) -> list[bytes]:
    """The requests of a file."""
    data = file.read_bytes()
    requests, start = [], 0
    while start < len(data):
        end = start + _PREFIX_BYTES + int.from_bytes(data[start : start + _PREFIX_BYTES])
        requests.append(data[start + _PREFIX_BYTES : end])
        start = end
    return requests


if __name__ == "__main__":
    import uvloop

    given = cycle(read(Path(sys.argv[5])))
    measured = uvloop.run(
        run(int(sys.argv[1]), float(sys.argv[2]), given, int(sys.argv[3]), is_awake=sys.argv[4] == AWAKE)
    )
    sys.stdout.write(msgspec.json.encode(measured).decode())
