"""Upstreams to test against: sockets on loopback that record what they read and play what they are told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Seen:
    """A request as the upstream read it."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def values(self, name: str) -> list[bytes]:
        """All values of a field, in order."""
        return [value for key, value in self.headers if key.lower() == name.encode()]


@dataclass
class Wire:
    """One accepted connection, for scripts."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    seen: list[Seen] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def ended(self) -> None:
        """Wait until the script is over; scripts end when the peer has closed."""
        await asyncio.wait_for(self.over.wait(), 5)

    async def read_head(self) -> Seen:
        """Read one head; raises IncompleteReadError when the peer closes instead."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = raw[:-4].split(b"\r\n")
        pairs = [field.split(b": ", 1) for field in fields]
        seen = Seen(line, [(name, value) for name, value in pairs])
        self.seen.append(seen)
        return seen

    async def read_request(self) -> Seen:
        """Read one head and its body."""
        seen = await self.read_head()
        if lengths := seen.values("content-length"):
            seen.body = await self.reader.readexactly(int(lengths[0]))
        elif seen.values("transfer-encoding"):
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                seen.body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            assert await self.reader.readexactly(2) == b"\r\n"
        return seen

    async def play(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the peer has closed."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Wire], Awaitable[None]]


def always(answer: bytes) -> Script:
    """Answer every request on every connection with the same bytes."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await wire.play(answer)

    return script


def once(answer: bytes) -> Script:
    """Answer one request with these bytes, then close."""

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(answer)

    return script


class Upstream:
    """Runs a script per connection; what a script leaves open is closed after it."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, socket_path: Path | None = None) -> None:
        self._script = script
        self._tls = tls
        self._socket_path = socket_path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.wires: list[Wire] = []
        self.failures: list[Exception] = []
        self.url = ""

    @property
    def seen(self) -> list[Seen]:
        """All requests, connection by connection."""
        return [seen for wire in self.wires for seen in wire.seen]

    async def __aenter__(self) -> Self:
        if self._socket_path is not None:
            self._server = await asyncio.start_unix_server(self._accepted, self._socket_path, limit=1 << 20)
            self.url = f"unix:{self._socket_path}"
            return self
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=1 << 20, ssl=self._tls)
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        assert self.failures == []

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = Wire(reader, writer, len(self.wires))
        self.wires.append(wire)
        try:
            await self._script(wire)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - a script's mistake must fail the test
            self.failures.append(error)
        finally:
            self._tasks.discard(task)
            wire.over.set()
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
