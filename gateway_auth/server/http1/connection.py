"""One connection of a client: bytes in, requests to the app one after the other, bytes out."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import cast

from gateway_auth.asgi.types import Scope
from gateway_auth.server.http1.cycle import Cycle
from gateway_auth.server.http1.patience import Patience
from gateway_auth.server.http1.request import BadRequest, RequestReader, Upgraded
from gateway_auth.server.http1.response import BadAnswer
from gateway_auth.server.http1.site import Site

HIGH_WATER_BYTES = 65_536
"""Of a body that the app has not asked for, before the client is made to wait. One more read may come on top."""
PIECE_BYTES = 4_096
"""How much is parsed at once. No more requests are read ahead than fit into it, some 230 of the shortest: behind the
one under way another piece is parsed only where none waits yet."""
LINGER_SECONDS = 2.0
"""For a client to stop sending what nobody reads, before it is cut off (RFC 9112 section 9.6)."""

logger = logging.getLogger("gateway_auth.serve")


class ClientConnection(asyncio.Protocol):
    """Requests are answered in the order they come (RFC 9112 section 9.3.2)."""

    __slots__ = (
        "_current", "_drained", "_is_ending", "_is_reading_paused", "_is_shut", "_latest", "_next",
        "_patience", "_reader", "_refused", "_site", "_task", "_transport", "_unread", "_waiting", "_websocket",
        "date", "is_leaving", "is_lost", "own_lines",
    )  # fmt: skip

    has_task_each = False
    """Whether each request has a task of its own: an app may leave something in the context of the one it runs in."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._current: Cycle | None = None
        self._latest: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        self._next: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._unread = b""
        self._refused: BadRequest | None = None
        self._is_reading_paused = False
        self._is_ending = self._is_shut = False
        self._websocket: asyncio.Protocol | None = None
        self._drained: asyncio.Future[None] | None = None
        self._patience = Patience(site.idle_until())
        self.date = site.date
        self.own_lines = site.own_lines
        self.is_lost = self.is_leaving = False

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
        if self._current is not None:
            self._current.wake()
        self._wake()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """What comes while the connection is ending is dropped, so that the client can hear the last answer."""
        if self._is_ending:
            return
        if self._current is None and not self._unread and len(data) <= PIECE_BYTES:
            self._feed(data)
        else:
            self._unread += data
            self._feed_unread()

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        self._drained = self._site.loop.create_future()

    def resume_writing(self) -> None:
        """It does, or will not any more."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # What the reader tells.

    def on_request(self, scope: Scope) -> None:
        """A request is answered at once, or waits for its turn."""
        reader = self._reader
        self._latest = cycle = Cycle(
            self, scope, is_persistent=reader.is_persistent, is_waited_for=reader.is_waited_for
        )
        if self._current is None:
            self._current = cycle
            self._patience.deadline = 0.0
            self._wake()
        else:
            self._waiting.append(cycle)

    def on_body(self, data: bytes) -> None:
        """A piece of the body of the latest request."""
        if self._latest is not None:
            self._latest.feed(data)

    def on_end(self) -> None:
        """The latest request is complete."""
        if self._latest is not None:
            self._latest.end()

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

    # Reading.

    def _feed_unread(self) -> None:
        """Piece by piece, until a request waits behind the one under way or the app has enough of its body."""
        data, self._unread = self._unread, b""
        position = 0
        while position < len(data) and not (self._is_ending or self.is_lost):
            if self._waiting or self._has_enough():
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

    def _hand_over(self, rest: bytes) -> None:
        """From here on the connection is a WebSocket's."""
        self._is_ending = True
        self._resume_reading()
        self._site.discard(self)
        self._wake()
        self._websocket = self._site.open_websocket(self._transport, self._reader, rest)

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

    # Answering.

    def _wake(self) -> None:
        if self._next is not None:
            if not self._next.done():
                self._next.set_result(None)
        elif self._task is None and self._current is not None:
            self._task = self._site.start(self._serve())

    async def _serve(self) -> None:
        app = self._site.app
        while (cycle := self._current) is not None:
            try:
                await app(cycle.scope, cycle.receive, cycle.send)
                if not (cycle.is_over or cycle.is_broken or self.is_lost):
                    raise BadAnswer("it has no end")
            except BadAnswer as error:
                logger.error("the app gave no valid response: %s", error)
            except Exception:
                logger.exception("the app failed")
            except asyncio.CancelledError:
                self._transport.abort()  # or nobody would ever close it
                raise
            self._proceed(cycle)
            if self.has_task_each:
                self._task = None
                self._wake()
                return
            if self._current is None and not (self._is_ending or self.is_lost):
                self._next = self._site.loop.create_future()
                await self._next
                self._next = None

    def _proceed(self, cycle: Cycle) -> None:
        """To the next request, if there may be one."""
        self._current = None
        if self._latest is cycle:
            self._latest = None  # with what nobody asked for of its body
        if self.is_lost:
            return
        if not cycle.is_over:
            self._break(cycle)
        elif not cycle.is_persistent:
            self._end()
        elif self._waiting:
            self._current = self._waiting.popleft()
        elif self._refused is not None:
            self._say(self._refused)
        elif self._is_shut:
            self._end()
        else:
            self._patience.deadline = self._site.idle_until()
        if self._unread or self._is_reading_paused:
            self._feed_unread()

    def _break(self, cycle: Cycle) -> None:
        """The app has failed. Where a response has begun, only an end that is none can tell (RFC 9112 section 8)."""
        if cycle.has_begun:
            self._transport.abort()
        elif cycle.is_broken and self._refused is not None:
            self._say(self._refused)
        else:
            self.write(self._site.failure())
            self._end()

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
