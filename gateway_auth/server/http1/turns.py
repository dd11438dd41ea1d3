"""Whose turn it is: the requests of one connection, answered one after the other. Knows no bytes."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Callable

from gateway_auth.asgi.types import Scope
from gateway_auth.server.http1.cycle import Cycle
from gateway_auth.server.http1.patience import Patience
from gateway_auth.server.http1.request import BadRequest, RequestReader
from gateway_auth.server.http1.response import BadAnswer
from gateway_auth.server.http1.site import Site

logger = logging.getLogger("gateway_auth.serve")


class Turns:
    """Requests are answered in the order they come (RFC 9112 section 9.3.2), each by the app or on the fast path."""

    __slots__ = (
        "_current", "_is_ending", "_is_new", "_is_quiet", "_is_shut", "_latest", "_next", "_patience", "_reader",
        "_refused", "_site", "_task", "_waiting", "date", "is_full", "is_leaving", "is_lost", "own_lines",
    )  # fmt: skip

    has_task_each = False
    """Whether each request has a task of its own: an app may leave something in the context of the one it runs in."""

    _reader: RequestReader
    date: Callable[[], bytes]

    def __init__(self, site: Site) -> None:
        self._site = site
        self._current: Cycle | None = None
        self._latest: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        self._next: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._refused: BadRequest | None = None
        self._is_ending = self._is_shut = False
        self._is_new = self._is_quiet = False
        self._patience = Patience(site.idle_until())
        self.date = site.date
        self.own_lines = site.own_lines
        self.is_lost = self.is_leaving = False
        self.is_full = False
        """The client does not take what is sent."""

    # What the connection does.

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""

    @abstractmethod
    async def drain(self) -> None:
        """Wait until the client takes more, or is gone."""

    @abstractmethod
    def go_on_reading(self) -> None:
        """The app has taken what there was of a body."""

    @abstractmethod
    def _read_on(self) -> None:
        """A request is over: what has come behind it can be read."""

    @abstractmethod
    def _abort(self) -> None:
        """Break the connection off."""

    @abstractmethod
    def _say(self, error: BadRequest) -> None:
        """Refuse what cannot be read, and end."""

    @abstractmethod
    def _end(self) -> None:
        """Close once everything is written."""

    # What the reader tells.

    def on_request(self, scope: Scope) -> None:
        """A request is answered at once, or waits for its turn."""
        reader = self._reader
        self._is_quiet = False
        self._latest = cycle = Cycle(
            self, scope, is_persistent=reader.is_persistent, is_waited_for=reader.is_waited_for
        )
        if self._current is None:
            self._current = cycle
            self._patience.deadline = 0.0
            self._is_new = True
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

    # Whose turn it is.

    def _begin(self) -> None:
        """With the current request, of which all that came at once has been read."""
        cycle, take = self._current, self._site.fast_path
        if take is not None and cycle is not None and cycle.is_complete:
            cycle.is_fast = True
            try:
                if take(cycle):
                    return
            except Exception:
                logger.exception("the app failed")
                self.proceed()
                return
            cycle.is_fast = False
        self._wake()

    def run(self) -> None:
        """The current request takes a task after all."""
        self._wake()

    def proceed(self) -> None:
        """The current request has left the fast path. One that waits behind it is the task's."""
        if self._current is not None:
            self._proceed(self._current)
        if self._current is not None:
            self._wake()

    def _wake(self) -> None:
        if self._next is not None:
            if not self._next.done():
                self._next.set_result(None)
        elif self._task is None and self._current is not None and not self._current.is_fast:
            task = self._site.start(self._serve())
            # An eager one may be done already, and a next one under way. After one that was cancelled comes none.
            if not task.done() or task.cancelled():
                self._task = task

    async def _serve(self) -> None:
        site, task = self._site, asyncio.current_task()
        site.state.tasks.add(task)
        try:
            while (cycle := self._current) is not None and not cycle.is_fast:
                try:
                    if self.is_full:
                        await self.drain()  # of the answer before
                    app, cycle.app = cycle.app or site.app, None  # which may hold the cycle
                    await app(cycle.scope, cycle.receive, cycle.send)
                    if not (cycle.is_over or cycle.is_broken or self.is_lost):
                        raise BadAnswer("it has no end")
                except BadAnswer as error:
                    logger.error("the app gave no valid response: %s", error)
                except Exception:
                    logger.exception("the app failed")
                self._proceed(cycle)
                if self.has_task_each:
                    self._task = None
                    if self._current is not None:
                        self._wake()
                    return
                if self._current is None and not (self._is_ending or self.is_lost):
                    self._next = site.loop.create_future()
                    await self._next
                    self._next = None
            self._task = None
        except asyncio.CancelledError:
            self._abort()  # or nobody would ever close it
            raise
        finally:
            site.state.tasks.discard(task)

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
        self._read_on()

    def _break(self, cycle: Cycle) -> None:
        """The app has failed. Where a response has begun, only an end that is none can tell (RFC 9112 section 8)."""
        if cycle.has_begun:
            self._abort()
        elif cycle.is_broken and self._refused is not None:
            self._say(self._refused)
        else:
            self.write(self._site.failure())
            self._end()
