"""Turns a client's request body into bytes for the upstream, in the framing its head announced.

Knows no connection.
"""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

from gateway_auth.proxy.failures import BodyBrokenOff, RequestRefused
from gateway_auth.proxy.request import CHUNKED, NO_BODY

# Chunks that make no sense usually come in one packet with those that do. For as long as this a chunked
# request is held back, so that the upstream does not begin with what will break off.
LOOK_AHEAD_SECONDS = 0.05


class RequestBody:
    """Reads piece by piece; never more than one piece is held.

    What `receive` raises (a cap, say) passes through.
    """

    __slots__ = ("_ahead", "_declared_bytes", "_is_chunked", "_receive", "_seen_bytes", "is_complete")

    def __init__(self, receive: Receive, body_bytes: int) -> None:
        self._receive = receive
        self._ahead: asyncio.Task[Message] | None = None
        self._is_chunked = body_bytes == CHUNKED
        self._declared_bytes = body_bytes
        self._seen_bytes = 0
        self.is_complete = body_bytes == NO_BODY

    @property
    def is_absent(self) -> bool:
        """Chunks were announced, and it has turned out that there is not a byte."""
        return self._is_chunked and self.is_complete and not self._seen_bytes

    async def opening(self) -> bytes:
        """What to send right behind the head.

        The first piece, and of a chunked body the second if it comes at once.
        """
        data = await self.piece()
        if self._is_chunked and not self.is_complete:
            self._ahead = asyncio.create_task(self._next())
            # Waited for, never cancelled by the timeout: a cancelled `receive` might lose a piece.
            await asyncio.wait((self._ahead,), timeout=LOOK_AHEAD_SECONDS)
            if self._ahead.done():
                data += await self.piece()
        return data

    async def piece(self) -> bytes:
        """The next bytes to send; may be empty.

        Raises `BodyBrokenOff`, `RequestRefused` if the length was a lie, and what `receive` raises.
        """
        ahead, self._ahead = self._ahead, None
        message = await (ahead or self._next())
        if message["type"] != "http.request":
            raise BodyBrokenOff("the request ended before its body did")
        data: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        return self._chunk(data, is_last) if self._is_chunked else self._measured(data, is_last)

    def abandon(self) -> None:
        """Nobody will ask for another piece."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and not ahead.cancel() and not ahead.cancelled():
            ahead.exception()  # looked at, or asyncio would report it as forgotten

    async def _next(self) -> Message:
        return await self._receive()

    async def client_leaves(self) -> None:
        """Returns when the client has left. Only after the last piece: a server says so in no other place."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _chunk(self, data: bytes, is_last: bool) -> bytes:
        self.is_complete = is_last
        self._seen_bytes += len(data)
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return chunk + b"0\r\n\r\n" if is_last else chunk

    def _measured(self, data: bytes, is_last: bool) -> bytes:
        """The upstream waits for exactly the declared length.

        More would be read as its next request (RFC 9112 11.2).
        """
        self._seen_bytes += len(data)
        if self._seen_bytes > self._declared_bytes or (is_last and self._seen_bytes < self._declared_bytes):
            raise RequestRefused("the body is not as long as its Content-Length says")
        self.is_complete = self._seen_bytes == self._declared_bytes
        return data
