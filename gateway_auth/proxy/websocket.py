"""One WebSocket, from a client to an upstream and back: messages, back-pressure, and how it ends.

Knows no policy: a client that may no longer be there is told to it as one that left. At most one message of each
direction is held, besides what the upstream's connection has read ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from starlette.types import Message, Receive, Send
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gateway_auth.proxy import closing
from gateway_auth.proxy.balancer import Balancer
from gateway_auth.proxy.closing import Close
from gateway_auth.proxy.failures import ClientLeft
from gateway_auth.proxy.handshake import CLOSE_SECONDS, Handshake, open_websocket
from gateway_auth.proxy.refusal import passable

T = TypeVar("T")


class WebSocket:
    """Used once: `run`. It accepts only what the upstream has accepted; until then a failure can be answered."""

    def __init__(self, receive: Receive, send: Send, max_message_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._max_message_bytes = max_message_bytes
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_over = asyncio.Event()

    async def run(self, balancer: Balancer, handshake: Handshake) -> None:
        """Until both sides are closed. Raises `ExchangeFailed` or `ClientLeft` while nothing is accepted."""
        try:
            await self._run(balancer, handshake)
        finally:
            self.is_over.set()

    def stop(self) -> None:
        """Close both sides: the server goes away."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    async def _run(self, balancer: Balancer, handshake: Handshake) -> None:
        if (await self._receive())["type"] != "websocket.connect":
            raise ClientLeft
        coming = asyncio.create_task(self._next())
        try:
            connection = await self._open(coming, open_websocket(balancer, handshake))
        except BaseException:
            # Granian sends nothing beside a pending `receive`, and nobody is listened to any more.
            await _abandon(coming)
            raise
        try:
            await self._converse(connection, coming)
        finally:
            connection.transport.abort()

    async def _open(self, coming: asyncio.Future[Message], opening: Awaitable[ClientConnection]) -> ClientConnection:
        """The upstream's connection, unless the client leaves before it stands."""
        task = asyncio.ensure_future(opening)
        try:
            await asyncio.wait((task, coming, self._stopped), return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await _abandon(task)
            if not task.cancelled() and task.exception() is None:
                task.result().transport.abort()
            raise
        if not task.done():
            await _abandon(task)
            raise ClientLeft
        return task.result()

    async def _converse(self, connection: ClientConnection, coming: asyncio.Future[Message]) -> None:
        upwards = asyncio.create_task(self._upwards(connection, coming))
        downwards = asyncio.create_task(self._downwards(connection))
        try:
            await asyncio.wait((upwards, downwards, self._stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _abandon(upwards)
            await _abandon(downwards)
        client_said, upstream_said = _result(upwards), _result(downwards)
        if client_said is None:
            await self._close_client(upstream_said or closing.LEFT)
        await connection.close(*(client_said or closing.LEFT))

    async def _next(self) -> Message:
        # A coroutine of its own: what Granian gives to await looks like a future of asyncio and is none.
        return await self._receive()

    async def _upwards(self, connection: ClientConnection, coming: Awaitable[Message]) -> Close:
        """Messages of the client, until it has left: how. A message over the cap ends both sides."""
        while True:
            message = await coming
            if message["type"] != "websocket.receive":
                return closing.of_client(message.get("code", closing.NO_STATUS), message.get("reason"))
            text = message.get("text")
            data: bytes = message["bytes"] if text is None else text.encode()
            if len(data) > self._max_message_bytes:
                await self._close_client(closing.TOO_BIG)
                return closing.TOO_BIG
            try:
                await connection.send(data, text=text is not None)
            except ConnectionClosed:
                await asyncio.get_running_loop().create_future()  # How it was closed is told by the other direction.
            coming = self._receive()

    async def _downwards(self, connection: ClientConnection) -> Close:
        """Accept as the upstream did, then its messages, until it has closed: how."""
        response = connection.response
        message: Message = {
            "type": "websocket.accept",
            "subprotocol": connection.subprotocol,
            "headers": passable(response.headers.raw_items()) if response is not None else [],
        }
        while True:
            try:
                await self._send(message)
            except OSError:
                await asyncio.get_running_loop().create_future()  # Gone; the other direction tells how.
            try:
                data = await connection.recv()
            except ConnectionClosed as closed:
                return closing.of_upstream(closed)
            message = {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}

    async def _close_client(self, close: Close) -> None:
        with suppress(OSError, RuntimeError, TimeoutError):  # It has left, or takes nothing; then it is dropped.
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})


def _result(task: asyncio.Task[Close]) -> Close | None:
    """What a direction ended with; None where it was the other one that did."""
    return None if task.cancelled() else task.result()


async def _abandon(task: asyncio.Future[T]) -> None:
    """Cancel it and wait until it is gone; what it came to is looked at elsewhere or by nobody."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
