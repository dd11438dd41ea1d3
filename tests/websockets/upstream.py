"""A WebSocket server behind the gateway, in a thread of its own: what it does is in the path, what it saw is kept."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

SUBPROTOCOLS = [Subprotocol("chat.v2"), Subprotocol("chat.v1")]


class Upstream:
    """`requests` are the handshakes that came, `messages` what was received, `closes` how connections ended."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.messages: list[str | bytes] = []
        self.closes: list[tuple[int | None, str | None]] = []
        self.open = self.hanging = 0
        self.pushed = 0
        self.may_read = threading.Event()

    async def handle(self, connection: ServerConnection) -> None:
        """Everything one connection does."""
        assert connection.request is not None
        word = connection.request.path.partition("?")[0].split("/")[2]
        self.open += 1
        try:
            await self._begin(word, connection)
            async for message in connection:
                self.messages.append(message)
                if word == "close":
                    code, _, reason = str(message).partition(" ")
                    await connection.close(int(code), reason)
                elif word == "abort":
                    connection.transport.abort()
                else:
                    await connection.send(message)
        except ConnectionClosed:
            pass
        finally:
            await connection.wait_closed()
            self.open -= 1
            self.closes.append((connection.close_code, connection.close_reason))

    async def _begin(self, word: str, connection: ServerConnection) -> None:
        """What is sent unasked."""
        assert connection.request is not None
        if word == "headers":
            await connection.send(json.dumps(list(connection.request.headers.raw_items())))
        while word == "push":
            await connection.send(b"x" * 1024)
            self.pushed += 1
            await asyncio.sleep(0.001)
        while word == "slow" and not self.may_read.is_set():  # noqa: ASYNC110  # set by another thread
            await asyncio.sleep(0.01)
        if word == "burst":
            count, size = map(int, (await connection.recv()).split())
            for number in range(count):
                await connection.send(number.to_bytes(4, "big") + bytes(size - 4))
                self.pushed += 1

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refusals, and handshakes that hang."""
        self.requests.append(request)
        _, _, word, *rest = request.path.partition("?")[0].split("/")
        if word == "refuse":
            status = HTTPStatus(int(rest[0]))
            fields = Headers([("Content-Type", "text/plain"), ("X-Why", "a"), ("X-Why", "b"), ("Content-Length", "4")])
            return Response(status.value, status.phrase, fields, b"nope")
        if word == "hang":
            self.hanging += 1
            await connection.wait_closed()
            self.hanging -= 1
        return None


def _choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in SUBPROTOCOLS if name in offered), None)


@contextmanager
def serving() -> Iterator[Upstream]:
    """Until the block ends."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    servers: list[Server] = []

    async def start() -> None:
        server = await serve(
            upstream.handle,
            "127.0.0.1",
            0,
            process_request=upstream.answer,
            select_subprotocol=_choose,
            max_size=None,
            open_timeout=60,
            close_timeout=1,
            max_queue=4,
            ping_interval=None,
        )
        upstream.port = next(iter(server.sockets)).getsockname()[1]
        servers.append(server)

    async def stop() -> None:
        servers[0].close()
        await servers[0].wait_closed()

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
