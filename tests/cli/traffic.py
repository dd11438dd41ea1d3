"""Clients that send request after request, and count every one that was not answered whole.

They do what RFC 9112 section 9 asks of a client and no more: they leave where an answer says `Connection: close`,
and send nothing again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

BODY = b"0123456789abcdef" * 64
PIECE_SECONDS = 0.02


class Failed(Exception):
    """A request was sent and not answered whole."""


@dataclass
class Count:
    """What came of the requests: `answered` by status, `failed` by what went wrong."""

    answered: Counter[int] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    connections: int = 0


@contextlib.asynccontextmanager
async def sample_upstream() -> AsyncIterator[int]:
    """Its port. `/slow/N` answers in N pieces; a request with a body is answered with the length that came."""
    async with await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024) as server:
        port: int = server.sockets[0].getsockname()[1]
        yield port


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, EOFError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1]
            length = _length(head)
            taken = 0
            while taken < length:
                piece = await reader.read(min(65_536, length - taken))
                if not piece:
                    raise EOFError("the body broke off")
                taken += len(piece)
            if target.startswith(b"/slow/"):
                await _answer_slowly(writer, int(target.rpartition(b"/")[2]))
                continue
            body = b"%d" % taken if length else BODY
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
    writer.close()


async def _answer_slowly(writer: asyncio.StreamWriter, pieces: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (pieces * len(BODY)))
    for _ in range(pieces):
        writer.write(BODY)
        await writer.drain()
        await asyncio.sleep(PIECE_SECONDS)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def to_port(port: int, tls: ssl.SSLContext | None = None) -> Connect:
    """A connection to a loopback port."""
    name = "localhost" if tls is not None else None
    return lambda: asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)


class Client:
    """One client, with one connection at a time."""

    def __init__(self, connect: Connect, count: Count) -> None:
        self._connect = connect
        self._count = count
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str = "/") -> bytes:
        """The body. Counts."""
        return await self._exchange(b"GET %b HTTP/1.1\r\nhost: localhost\r\n\r\n" % path.encode(), ())

    async def post(self, path: str, pieces: int) -> bytes:
        """Upload slowly; the answer's body. Counts."""
        head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
        return await self._exchange(head % (path.encode(), pieces * len(BODY)), (BODY,) * pieces)

    async def _exchange(self, head: bytes, pieces: tuple[bytes, ...]) -> bytes:
        try:
            status, body = await self._try(head, pieces)
        except (OSError, EOFError, Failed) as error:
            self._count.failed[f"{type(error).__name__}: {error}"] += 1
            await self.close()
            return b""
        self._count.answered[status] += 1
        return body

    async def _try(self, head: bytes, pieces: tuple[bytes, ...]) -> tuple[int, bytes]:
        if self._streams is None or self._streams[0].at_eof():
            await self.close()
            self._streams = await self._connect()
            self._count.connections += 1
        reader, writer = self._streams
        writer.write(head)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(PIECE_SECONDS)
        answer = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(answer))
        if b"connection: close" in answer.lower():
            await self.close()
        return int(answer[9:12]), body

    async def close(self) -> None:
        """Leave."""
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None


class Traffic:
    """Many clients at once, until told to stop."""

    def __init__(self, connect: Connect) -> None:
        self.count = Count()
        self._connect = connect
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False

    def start(self, clients: int, pause_seconds: float = 0.005) -> None:
        """Small requests, one after the other, on connections that stay open."""
        self._tasks += [asyncio.create_task(self._ask(pause_seconds * (1 + n % 5))) for n in range(clients)]

    def start_long(self, each: int, pieces: int) -> None:
        """So many downloads and uploads, each in so many pieces."""
        self._tasks += [asyncio.create_task(self._download(pieces)) for _ in range(each)]
        self._tasks += [asyncio.create_task(self._upload(pieces)) for _ in range(each)]

    async def stop(self) -> Count:
        """What came of it. Long requests are waited for."""
        self._is_over = True
        await asyncio.gather(*self._tasks)
        return self.count

    async def _ask(self, pause_seconds: float) -> None:
        client = Client(self._connect, self.count)
        while not self._is_over:
            body = await client.get()
            if body not in (b"", BODY):
                self.count.failed["another body"] += 1
            await asyncio.sleep(pause_seconds)
        await client.close()

    async def _download(self, pieces: int) -> None:
        client = Client(self._connect, self.count)
        if await client.get(f"/slow/{pieces}") != BODY * pieces:
            self.count.failed["another download"] += 1
        await client.close()

    async def _upload(self, pieces: int) -> None:
        client = Client(self._connect, self.count)
        if await client.post("/upload", pieces) != b"%d" % (pieces * len(BODY)):
            self.count.failed["another upload"] += 1
        await client.close()
