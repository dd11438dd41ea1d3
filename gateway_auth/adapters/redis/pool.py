"""The connections to one server: lent one at a time, made when wanted, never more than so many, never refused.

Who finds none waits, and is bounded by its own deadline. Making one goes on without the one who asked for it: a
connection that takes longer than one command may is there for the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from gateway_auth.adapters.redis.failures import unavailable
from gateway_auth.adapters.redis.link import Link
from gateway_auth.errors import RedisUnavailable

MAX_LINKS = 16
MAX_DIALLING = 4
"""Connections made at the same time: a server that comes back meets no herd."""


class Pool:
    """Lends links. `take` never waits, `wait` does; each link comes back by `give_back`, closed or not."""

    def __init__(self, dial: Callable[[], Awaitable[Link]]) -> None:
        self._dial = dial
        self._idle: list[Link] = []
        self._waiters: deque[asyncio.Future[Link]] = deque()
        self._dialling: set[asyncio.Task[None]] = set()
        self._lent: set[Link] = set()
        self._retired: set[Link] = set()
        self._is_closed = False

    @property
    def size(self) -> int:
        """How many connections there are or will be in a moment."""
        return len(self._idle) + len(self._lent) + len(self._dialling)

    @property
    def is_in_use(self) -> bool:
        """Whether at least one connection works, or did until now."""
        return bool(self._lent)

    def take(self) -> Link | None:
        """The link used last, if one is free."""
        if not self._idle:
            return None
        link = self._idle.pop()
        self._lent.add(link)
        return link

    async def wait(self) -> Link:
        """The next link that is free or made. Raises RedisUnavailable when making one fails."""
        if self._is_closed:
            raise unavailable("closed")
        waiter: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._dial_more()
        try:
            return await waiter
        except asyncio.CancelledError:
            # It may have been given a link in the moment it was cancelled.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.give_back(waiter.result())
            raise

    def give_back(self, link: Link) -> None:
        """Return a link: to who waits, or to the others."""
        self._lent.discard(link)
        if link in self._retired:
            self._retired.discard(link)
            link.close()
        if link.is_open and not self._is_closed:
            self.add(link)
            return
        link.close()
        self._dial_more()

    def add(self, link: Link) -> None:
        """One more, made elsewhere."""
        waiter = self._next_waiter()
        if waiter is None:
            self._idle.append(link)
        else:
            self._lent.add(link)
            waiter.set_result(link)

    def renew(self) -> None:
        """Use none of the present links again: they lead to a server that may be the wrong one or gone."""
        self._retired |= self._lent
        while self._idle:
            self._idle.pop().close()

    def turn_away(self, error: RedisUnavailable) -> None:
        """Tell all who wait."""
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(error)

    async def close(self) -> None:
        """Close every connection, also those that are in use."""
        self._is_closed = True
        self.turn_away(unavailable("closed"))
        for link in (*self._idle, *self._lent):
            link.close()
        self._idle.clear()
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)

    def _next_waiter(self) -> asyncio.Future[Link] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _dial_more(self) -> None:
        waiting = sum(not waiter.done() for waiter in self._waiters)
        while len(self._dialling) < min(waiting, MAX_DIALLING) and self.size < MAX_LINKS and not self._is_closed:
            self._dialling.add(asyncio.create_task(self._dial_one(), name="gateway-auth redis connection"))

    async def _dial_one(self) -> None:
        failure = unavailable("reset")
        link = None
        try:
            link = await self._dial()
        except RedisUnavailable as error:
            failure = error
        finally:
            # Before anybody is told: who is told may come back in the same turn, and needs a new one.
            self._dialling.discard(asyncio.current_task())
        if link is None:
            self.turn_away(failure)
        elif self._is_closed:
            link.close()
        else:
            self.add(link)
            self._dial_more()
