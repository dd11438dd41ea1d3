"""One connection to an upstream: moves bytes, and says when something happened.

Must not know pools, clients or ASGI.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import cast

from gateway_auth.proxy.failures import ConnectionLost, UpstreamUnavailable
from gateway_auth.proxy.response import BadResponse, ResponseReader

# Body bytes held for a client that reads slowly, before the upstream is made to wait. One more read may come
# on top.
HIGH_WATER_BYTES = 65_536


class UpstreamConnection(asyncio.Protocol):
    """At most one exchange at a time.

    `begin`, `write`, then `progress` until the reader is complete or `failure` set.
    """

    __slots__ = (
        "_is_reading_paused",
        "_is_writing_paused",
        "_loop",
        "_on_closed",
        "_reader",
        "_transport",
        "_unread",
        "_waiter",
        "_write_waiter",
        "failure",
        "has_answered",
        "idle_since",
        "is_closed",
        "is_reused",
        "on_progress",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, on_closed: Callable[[UpstreamConnection], None]) -> None:
        self._loop = loop
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._write_waiter: asyncio.Future[None] | None = None
        self._unread = select.poll()
        self._is_reading_paused = False
        self._is_writing_paused = False
        self.failure: Exception | None = None
        self.has_answered = False
        self.idle_since = 0
        self.is_closed = False
        self.is_reused = False
        self.on_progress: Callable[[], None] | None = None
        """Called where somebody who waits by `progress` would be woken."""

    # For the exchange.

    def begin(self, *, is_head: bool) -> ResponseReader:
        """Start an exchange; the answer's reader."""
        self._reader = reader = ResponseReader(is_to_head=is_head)
        self.has_answered = False
        if self.is_closed:
            self.failure = ConnectionLost("closed before the request was sent")
        return reader

    def write(self, data: bytes) -> None:
        """Hand bytes of the request to the transport; nothing on a connection that is gone."""
        if self._transport is not None and not self.is_closed:
            self._transport.write(data)

    def progress(self) -> asyncio.Future[None]:
        """Done once there is more to read, the response is complete, or the connection has failed."""
        self._waiter = waiter = self._loop.create_future()
        if self.failure is not None:
            waiter.set_result(None)
        return waiter

    async def drain(self) -> None:
        """Wait until the transport takes more; also returns when the connection is gone."""
        while self._is_writing_paused and self.failure is None and not self.is_closed:
            self._write_waiter = self._loop.create_future()
            await self._write_waiter

    def resume(self) -> None:
        """What was read has been taken; let the upstream go on."""
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            self._transport.resume_reading()

    def fail(self, failure: Exception) -> None:
        """Close at once and wake whoever waits. The first failure counts."""
        if self.failure is None:
            self.failure = failure
        self.abort()
        self._wake()
        self._wake_writer()

    # For the pool.

    def is_usable(self) -> bool:
        """Open, and nothing has come that the event loop has not read yet: an end, or bytes that answer nobody.

        Asked for bytes that arrive before a request is sent; those behind it nobody could tell from its answer.
        """
        transport = self._transport
        return not self.is_closed and transport is not None and not transport.is_closing() and not self._unread.poll(0)

    def finish(self) -> bool:
        """End the exchange; True: another one may follow here.

        All bytes out, none in excess (attacks P12, P13).
        """
        reader, transport = self._reader, self._transport
        self._reader = None
        if reader is not None:
            reader.release()
        if self.is_closed or self.failure is not None or reader is None or transport is None:
            return False
        is_clean = reader.is_complete and reader.is_persistent and not reader.has_surplus
        if not is_clean or transport.get_write_buffer_size() or transport.is_closing():
            return False
        self.resume()
        self.is_reused = True
        return True

    def abort(self) -> None:
        """Close without waiting for unsent bytes."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # create_connection makes no other kind
        self._unread.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Bytes outside an exchange answer no request.

        The connection cannot be trusted any more (attack P12).
        """
        reader = self._reader
        if reader is None:
            self.abort()
            return
        self.has_answered = True
        try:
            reader.feed(data)
        except BadResponse as error:
            self.fail(UpstreamUnavailable(f"not a valid response: {error}"))
            return
        if reader.buffered_bytes > HIGH_WATER_BYTES and not self._is_reading_paused and not reader.is_complete:
            self._is_reading_paused = True
            if self._transport is not None:
                self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The upstream has said all it will say; only a body without framing ends well by that."""
        reader = self._reader
        if reader is None:
            return
        if self._is_end_proven():
            reader.end()
        if not reader.is_complete:
            self.fail(ConnectionLost("closed before the response was complete"))
        self._wake()

    def _is_end_proven(self) -> bool:
        """Under TLS anybody on the way can end the TCP stream, and only the server can end TLS (RFC 8446 section 6.1).

        uvloop reports the latter alone; asyncio reports both alike, so there neither counts.
        """
        transport = self._transport
        is_tls = transport is not None and transport.get_extra_info("ssl_object") is not None
        return not is_tls or type(self._loop).__module__.partition(".")[0] == "uvloop"

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed by either side. A reset makes no response complete, whatever its framing."""
        self.is_closed = True
        reader = self._reader
        if reader is not None and not reader.is_complete and self.failure is None:
            self.failure = ConnectionLost(f"connection lost: {exc or 'closed'}")
        self._wake()
        self._wake_writer()
        self._on_closed(self)

    def pause_writing(self) -> None:
        """The transport's buffer is full: the upstream reads slowly."""
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        self._is_writing_paused = False
        self._wake_writer()

    def _wake(self) -> None:
        waiter = self._waiter
        if self.on_progress is not None:
            self.on_progress()
        elif waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _wake_writer(self) -> None:
        waiter = self._write_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
