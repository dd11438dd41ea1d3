"""One connection of a client: bytes in, bytes out, and what ends it."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from gateway_auth.server.http1.request import BadRequest, RequestReader, Upgraded
from gateway_auth.server.http1.site import Site
from gateway_auth.server.http1.turns import Turns

HIGH_WATER_BYTES = 65_536
"""Of a body that the app has not asked for, before the client is made to wait. One more read may come on top."""
PIECE_BYTES = 4_096
"""How much is parsed at once. No more requests are read ahead than fit into it, some 230 of the shortest: behind the
one under way another piece is parsed only where none waits yet."""
LINGER_SECONDS = 2.0
"""For a client to stop sending what nobody reads, before it is cut off (RFC 9112 section 9.6)."""

logger = logging.getLogger("gateway_auth.serve")


class ClientConnection(Turns, asyncio.Protocol):
    """A protocol of the event loop. What it reads becomes requests, and the bytes of their answers go through it."""

    __slots__ = ("_drained", "_is_reading_paused", "_transport", "_unread", "_websocket")

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._unread = b""
        self._is_reading_paused = False
        self._websocket: asyncio.Protocol | None = None
        self._drained: asyncio.Future[None] | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._reader = RequestReader(self, self._site.facts(self._transport), self._site.has_websocket)
        if not self._site.add(self, self._transport):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone. A request under way goes on, and hears of it."""
        self.is_lost = True
        self._site.discard(self)
        self._reader.release()
        self._waiting.clear()
        self._refused = None  # its traceback leads back to here
        if self._current is not None:
            self._current.wake()
        self._wake()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """What comes while the connection is ending is dropped, so that the client can hear the last answer."""
        if self._is_ending:
            return
        if self._current is None and not self._unread and len(data) <= PIECE_BYTES and not self.is_full:
            self._feed(data)
        else:
            self._unread += data
            self._feed_unread()

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        self.is_full = True
        self._drained = self._site.loop.create_future()

    def resume_writing(self) -> None:
        """It does, or will not any more."""
        self.is_full = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if self._current is None and self._is_reading_paused:
            self._patience.deadline = self._site.idle_until()
            self._site.loop.call_soon(self._feed_unread)

    # What a cycle uses.

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        self._patience.written_bytes += len(data)
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client takes more, or is gone."""
        while self._drained is not None and not self.is_lost:
            # Shielded: an app that gives up waiting, and then sends more, waits for the same future again.
            await asyncio.shield(self._drained)

    def go_on_reading(self) -> None:
        """The app has taken what there was of a body."""
        if self._is_reading_paused and not self.is_lost:
            if self._unread:
                self._site.loop.call_soon(self._feed_unread)
            else:
                self._resume_reading()

    def _read_on(self) -> None:
        if self._unread or self._is_reading_paused:
            self._site.loop.call_soon(self._feed_unread)

    def _abort(self) -> None:
        self._transport.abort()

    # What the server calls.

    def shutdown(self) -> None:
        """Answer what is under way and go; at once where nothing is."""
        self.is_leaving = self._is_shut = True
        if self._current is None and not self.is_lost:
            self._transport.close()

    def look(self, now: float) -> None:
        """Called every few seconds: nobody may hold a connection by doing nothing."""
        if self._patience.is_over(now, self._transport.get_write_buffer_size()):
            self._transport.abort()
        elif self._is_quiet:
            self._reader.forget()
        self._is_quiet = self._current is None

    # Reading.

    def _feed_unread(self) -> None:
        """Piece by piece, until a request waits behind the one under way, the app has enough of its body, or answers
        are not taken.
        """
        data, self._unread = self._unread, b""
        position = 0
        while position < len(data) and not (self._is_ending or self.is_lost):
            if self._waiting or self._has_enough() or (self._current is None and self.is_full):
                self._unread = data[position:]
                self._pause_reading()
                return
            end = position + PIECE_BYTES
            self._feed(data[position:end])
            position = end
        if self._websocket is not None and position < len(data):
            self._websocket.data_received(data[position:])
        elif self._has_enough():
            self._pause_reading()
        else:
            self._resume_reading()

    def _has_enough(self) -> bool:
        return self._latest is not None and self._latest.buffered_bytes > HIGH_WATER_BYTES

    def _feed(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except BadRequest as error:
            self._refuse(error)
        except Upgraded as upgraded:
            if self._current is None:
                self._hand_over(upgraded.rest)
            else:
                self._refuse(BadRequest("a handshake before the answer to a request"))
        if self._is_new:
            self._is_new = False
            self._begin()

    def _hand_over(self, rest: bytes) -> None:
        """From here on the connection is a WebSocket's."""
        self._is_ending = True
        self._resume_reading()
        self._site.discard(self)
        self._wake()
        self._websocket = self._site.open_websocket(self._transport, self._reader, rest)
        self._reader.release()

    def _refuse(self, error: BadRequest) -> None:
        """Nothing more can be read. What came before is answered first."""
        self._is_ending = True
        self._refused = error
        if self._current is None:
            self._say(error)
        elif self._latest is not None and not self._latest.is_complete:
            self._latest.break_off()

    def _say(self, error: BadRequest) -> None:
        self._site.note(error)
        self.write(self._site.refusal(error.status))
        self._end()

    def _pause_reading(self) -> None:
        if not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_reading_paused and not self.is_lost:
            self._is_reading_paused = False
            self._transport.resume_reading()

    def _end(self) -> None:
        """Close once everything is written. A client that is still sending would otherwise lose the answer to it."""
        is_quiet = self._reader.is_between and not self._unread
        self._is_ending = True
        self._unread = b""
        if is_quiet or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._patience.deadline = self._site.now + LINGER_SECONDS
        self._resume_reading()
