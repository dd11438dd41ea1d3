"""Which connection to one server carries the next exchange. Must not know what is sent over it.

Last in, first out: the warmest connection is reused and the others age until they are closed. A connection
counts from the moment it is dialled until the event loop reports it closed, so `max_connections` is never
exceeded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from gateway_auth.core.upstream import UpstreamLimits
from gateway_auth.proxy.connection import UpstreamConnection
from gateway_auth.proxy.dial import Dialler
from gateway_auth.proxy.failures import UpstreamTimeout, UpstreamUnavailable
from gateway_auth.proxy.standing import Standing
from gateway_auth.proxy.sweep import Sweep

P = TypeVar("P", bound=asyncio.Protocol)


class Pool:
    """The connections of this worker to one server."""

    __slots__ = (
        "_idle",
        "_is_closing",
        "_keep_alive_ticks",
        "_limits",
        "_loop",
        "_open",
        "_slots",
        "_sweep",
        "_tunnels",
        "_waiters",
        "dialler",
        "standing",
    )

    def __init__(
        self,
        dialler: Dialler,
        standing: Standing,
        limits: UpstreamLimits,
        sweep: Sweep,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.standing = standing
        self.dialler = dialler
        self._limits = limits
        self._loop = loop
        self._sweep = sweep
        self._keep_alive_ticks = sweep.ticks(limits.keep_alive_seconds)
        self._idle: deque[UpstreamConnection] = deque()
        self._open: set[UpstreamConnection] = set()
        self._slots = limits.max_connections
        self._tunnels = 0
        self._waiters: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self._is_closing = False
        sweep.visit(self)

    @property
    def busy(self) -> int:
        """How many requests are under way or wait for a connection, and connections nobody shares."""
        return self._limits.max_connections - self._slots - len(self._idle) + len(self._waiters) + self._tunnels

    @property
    def is_half_taken(self) -> bool:
        """Whether at least half of the connections are in use: the rest is for those who need one only briefly."""
        return self.busy * 2 >= self._limits.max_connections

    @property
    def is_crowded(self) -> bool:
        """Whether anybody waits for a connection."""
        return bool(self._waiters)

    def take(self) -> UpstreamConnection | None:
        """The connection used last, if one is idle. Does not wait."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.abort()
        return None

    async def connect(self) -> UpstreamConnection:
        """A new connection, or the first to come free where no more may be opened.

        Raises `ExchangeFailed`.
        """
        if self._is_closing:
            raise UpstreamUnavailable("the proxy is shutting down")
        if self._slots > 0:
            self._slots -= 1
            return await self._dial()
        if len(self._waiters) >= self._limits.max_waiting:
            raise UpstreamUnavailable("too many requests wait for a connection")
        handed_over = await self._wait_turn()
        if handed_over is None:
            return await self._dial()
        # It may have been closed between being handed over and being received; `begin` reports that.
        return handed_over

    async def dial(self, protocol_of: Callable[[Callable[[], None]], P]) -> P:
        """A connection that is not this pool's to lend, and counts as busy until its protocol says that it is lost."""
        is_open = True

        def on_lost() -> None:
            nonlocal is_open
            self._tunnels -= is_open
            is_open = False

        self._tunnels += 1
        protocol = protocol_of(on_lost)
        try:
            await self.dialler.open(protocol, self._limits.connect_timeout_seconds)
        except BaseException:
            on_lost()
            raise
        return protocol

    def give_back(self, connection: UpstreamConnection, *, is_reusable: bool) -> None:
        """After an exchange. What is not reusable is closed at once, without waiting for unsent bytes."""
        if not (connection.finish() and is_reusable) or self._is_closing:
            connection.abort()
            return
        self._offer(connection)

    def reap(self, now: int) -> bool:
        """Close what has been idle too long: the upstream is about to do the same, and might win the race."""
        idle = self._idle
        while idle and idle[0].idle_since + self._keep_alive_ticks <= now:
            idle.popleft().abort()
        return bool(idle)

    def close(self) -> None:
        """Close idle connections now and the others after their exchange."""
        self._is_closing = True
        while self._idle:
            self._idle.pop().abort()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(UpstreamUnavailable("the proxy is shutting down"))

    def _offer(self, connection: UpstreamConnection) -> None:
        if self._waiters and not connection.is_usable():
            connection.abort()  # whoever waits gets its slot instead, once it is closed
            return
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(connection)
            return
        connection.idle_since = self._sweep.now
        self._idle.append(connection)
        self._sweep.wake()

    def _next_waiter(self) -> asyncio.Future[UpstreamConnection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _free_slot(self) -> None:
        """A slot that is free goes to whoever waits longest, as leave to dial."""
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(None)
        else:
            self._slots += 1

    def _closed(self, connection: UpstreamConnection) -> None:
        if connection not in self._open:
            return  # lost while dialling; `_dial` frees the slot
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()

    async def _dial(self) -> UpstreamConnection:
        """Uses up the slot its caller took. A timer per connection, not per request, is affordable."""
        connection = UpstreamConnection(self._loop, self._closed)
        try:
            await self.dialler.open(connection, self._limits.connect_timeout_seconds)
        except BaseException:
            connection.abort()
            self._free_slot()
            raise
        if connection.is_closed:
            self._free_slot()
        else:
            self._open.add(connection)
        return connection

    async def _wait_turn(self) -> UpstreamConnection | None:
        """A connection to go on with, or None: leave to dial, the slot is taken already."""
        waiter: asyncio.Future[UpstreamConnection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._limits.connect_timeout_seconds):
                return await waiter
        except BaseException as error:
            self._decline(waiter)
            if isinstance(error, TimeoutError):
                raise UpstreamTimeout(f"{self.dialler.server.url}: no connection came free in time") from None
            raise

    def _decline(self, waiter: asyncio.Future[UpstreamConnection | None]) -> None:
        """The waiter goes away; what it was given in the same moment goes to the next one."""
        if not waiter.done():
            waiter.cancel()
        if waiter.cancelled():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        elif waiter.exception() is None:
            given = waiter.result()
            if given is None:
                self._free_slot()
            elif not given.is_closed:
                self._offer(given)
