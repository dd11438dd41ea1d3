"""A TCP proxy before a real server that fails on command, as networks and servers do."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

Fault = Literal["none", "hang", "reset", "garbage", "half", "answer"]


class FaultyProxy:
    """Passes everything on until `fault` says otherwise, for connections old and new.

    hang     takes bytes and passes none on; connecting works
    reset    answers the next bytes by ending the connection hard
    garbage  answers with what is not RESP
    half     passes on the first bytes of each reply, then nothing
    answer   answers each command itself with `words`, but those that begin with one of `spared`

    `delay_seconds` holds each reply back. `refuse` and `accept` close and open the port. `connects` counts.
    """

    def __init__(self, target: int) -> None:
        self.fault: Fault = "none"
        self.words = b""
        self.spared: tuple[bytes, ...] = (b"HELLO",)
        self.delay_seconds = 0.0
        self.connects = 0
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def accept(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def refuse(self) -> None:
        """Listen no more, and end what there is."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        await self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open_connections(self) -> int:
        """Of clients, now."""
        return len(self._writers) // 2

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connects += 1
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.CancelledError):
                upstream, to_server = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(to_server)
                try:
                    back = asyncio.create_task(self._replies(upstream, writer))
                    await self._commands(reader, writer, to_server)
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                finally:
                    self._writers.discard(to_server)
                    to_server.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            self._tasks.discard(task)

    async def _commands(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(65536):
            match self.fault:
                case "hang":
                    continue
                case "reset":
                    _reset(client)
                    return
                case "garbage":
                    client.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                case "answer" if not any(word in chunk for word in self.spared):
                    client.write(self.words)
                case _:
                    server.write(chunk)

    async def _replies(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while chunk := await server.read(65536):
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            if self.fault == "half":
                client.write(chunk[: max(1, len(chunk) // 2)])
                self.fault = "hang"
            elif self.fault != "hang":
                client.write(chunk)
        client.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    peer: socket.socket = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def faulty_proxy(target: int) -> AsyncIterator[FaultyProxy]:
    """A proxy that listens, before the server at a port."""
    proxy = FaultyProxy(target)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()
