"""One request and its response, as an ASGI app has them. Used once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from gateway_auth.asgi.types import ASGIApp, Header, Message, Scope
from gateway_auth.server.http1.response import BadAnswer, Framing

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

logger = logging.getLogger("gateway_auth.serve")


class Line(Protocol):
    """The connection a request came on, as far as it matters to its cycle."""

    is_lost: bool
    is_leaving: bool
    date: Callable[[], bytes]
    """The line of the Date field."""
    own_lines: tuple[bytes, ...]
    """Of fields that are the server's."""

    def write(self, data: bytes) -> None:
        """Send to the client."""

    async def drain(self) -> None:
        """Wait until the client takes more, or is gone."""

    def go_on_reading(self) -> None:
        """The app has taken what was read."""

    def run(self) -> None:
        """Run what the current request has in the task of the connection."""

    def proceed(self) -> None:
        """The current request has been answered."""


class Cycle:
    """`receive` and `send` of one request. `is_waited_for`: the client sends its body when told to go on."""

    __slots__ = (
        "_chunks", "_framing", "_has_begun", "_is_end_told", "_is_waited_for", "_line", "_start", "_waiter", "app",
        "buffered_bytes", "has_body", "is_broken", "is_complete", "is_fast", "is_over", "scope", "status",
    )  # fmt: skip

    def __init__(self, line: Line, scope: Scope, *, is_persistent: bool, is_waited_for: bool) -> None:
        self._line = line
        self.scope = scope
        self._framing = Framing(scope["http_version"], scope["method"] == "HEAD", is_persistent)
        self._is_waited_for = is_waited_for
        self._chunks: list[bytes] | None = None
        self._start: Message | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._has_begun = self._is_end_told = False
        self.app: ASGIApp | None = None
        """What answers this one, in place of the site's app."""
        self.buffered_bytes = 0
        """Of the body, that the app has not asked for."""
        self.has_body = False
        """A byte of a body has come."""
        self.is_fast = False
        """It is on the fast path: no task is to take it up."""
        self.is_broken = False
        """No more of the request will come."""
        self.is_complete = False
        """All of the request has come."""
        self.is_over = False
        """All of the response has been written."""
        self.status = 0
        """Of the response, once a part of it has been written."""

    @property
    def is_persistent(self) -> bool:
        """Whether another request may follow: both sides have said all, and want to go on."""
        return self.is_over and self.is_complete and self._framing.is_persistent

    @property
    def has_begun(self) -> bool:
        """Whether a part of the response has been written."""
        return self._has_begun

    # What the connection tells.

    def feed(self, data: bytes) -> None:
        """A piece of the body. What comes after the response is nobody's."""
        self.has_body = True
        if not self.is_over:
            if not self._chunks:
                self._chunks = []
            self._chunks.append(data)
            self.buffered_bytes += len(data)
            self.wake()

    def end(self) -> None:
        """The body is complete."""
        self.is_complete = True
        if self._waiter is not None:
            self.wake()

    def break_off(self) -> None:
        """What came of the body can be read no further. The app hears of it as of a client that has left."""
        self.is_broken = True
        self.wake()

    def wake(self) -> None:
        """Something has happened that `receive` may wait for."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What the fast path calls.

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """The whole response. Raises nothing: what makes no valid one is told as a failure of the app."""
        line, framing = self._line, self._framing
        framing.is_persistent = framing.is_persistent and not line.is_leaving
        try:
            data = framing.whole(status, headers, body, line.date(), line.own_lines)
        except BadAnswer as error:
            logger.error("the upstream gave no valid response: %s", error)
        else:
            self.status = status
            self._has_begun = self.is_over = True
            if not line.is_lost:
                line.write(data)
        line.proceed()

    def give_up(self) -> None:
        """There will be no response. The client is told that something failed."""
        self._line.proceed()

    def run(self, app: ASGIApp) -> None:
        """It takes a task after all."""
        self.app = app
        self.is_fast = False
        self._line.run()

    # What the app calls.

    async def receive(self) -> Message:
        """The next piece of the body; when none is left, that the client has left."""
        while not (self._line.is_lost or self.is_over or self.is_broken):
            if self._chunks or (self.is_complete and not self._is_end_told):
                return self._piece()
            if self._is_waited_for and not self._has_begun:
                self._is_waited_for = False
                self._line.write(_CONTINUE)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return {"type": "http.disconnect"}

    def _piece(self) -> Message:
        chunks, self._chunks = self._chunks or [b""], None
        self.buffered_bytes = 0
        self._is_end_told = self.is_complete
        self._is_waited_for = False
        self._line.go_on_reading()
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return {"type": "http.request", "body": body, "more_body": not self.is_complete}

    async def send(self, message: Message) -> None:
        """Take a piece of the response. Once the client has left, it is accepted and goes nowhere.

        Raises `BadAnswer`, and RuntimeError for what comes out of turn.
        """
        kind = message["type"]
        if kind == "http.response.start" and self._start is None and not self._has_begun:
            self._start = message
        elif kind == "http.response.body" and not self.is_over and (self._has_begun or self._start is not None):
            data = self._data(message.get("body", b""), is_last=not message.get("more_body", False))
            line = self._line
            if data and not line.is_lost:
                line.write(data)
                if not self.is_over:
                    await line.drain()
        else:
            raise RuntimeError(f"an ASGI message of type {kind!r} out of turn")

    def _data(self, body: bytes, *, is_last: bool) -> bytes:
        """The head goes out with the first piece."""
        start, framing = self._start, self._framing
        if start is None:
            data = framing.body(body, is_last=is_last)
        else:
            self._start = None
            line = self._line
            framing.is_persistent = framing.is_persistent and not line.is_leaving
            self.status = start["status"]
            if is_last:
                data = framing.whole(self.status, start.get("headers", ()), body, line.date(), line.own_lines)
            else:
                data = framing.head(start, line.date(), None, line.own_lines) + framing.body(body, is_last=False)
            self._has_begun = True
        if is_last:
            self.is_over = True
            if self._waiter is not None:
                self.wake()
        return data
