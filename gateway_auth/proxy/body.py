"""Turns a client's request body into bytes for the upstream, in the framing its head announced.

Knows no connection.
"""

from __future__ import annotations

from starlette.types import Receive

from gateway_auth.proxy.failures import ClientLeft, RequestRefused
from gateway_auth.proxy.request import CHUNKED, NO_BODY


class RequestBody:
    """Reads piece by piece; never more than one piece is held.

    What `receive` raises (a cap, say) passes through.
    """

    __slots__ = ("_declared_bytes", "_is_chunked", "_receive", "_seen_bytes", "is_complete")

    def __init__(self, receive: Receive, body_bytes: int) -> None:
        self._receive = receive
        self._is_chunked = body_bytes == CHUNKED
        self._declared_bytes = body_bytes
        self._seen_bytes = 0
        self.is_complete = body_bytes == NO_BODY

    async def piece(self) -> bytes:
        """The next bytes to send; may be empty.

        Raises `ClientLeft`, and `RequestRefused` if the length was a lie.
        """
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientLeft
        data: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        return self._chunk(data, is_last) if self._is_chunked else self._measured(data, is_last)

    async def client_leaves(self) -> None:
        """Returns when the client has left. Only after the last piece: a server says so in no other place."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _chunk(self, data: bytes, is_last: bool) -> bytes:
        self.is_complete = is_last
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
