"""How long a client may take to send its body: before it gets a connection, and while it keeps one from others.

Knows no framing and no response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway_auth.proxy.body import RequestBody
from gateway_auth.proxy.failures import RequestRefused
from gateway_auth.proxy.pool import Pool
from gateway_auth.proxy.sweep import Sweep

# While half of a server's connections are taken, so much is read before one is used: whoever trickles gets none.
GATHERED_BYTES = 65_536
# While others wait for a connection, whoever has one must send at this pace, after a while to begin with.
CROWDED_BYTES_PER_SECOND = 8_192
GRACE_SECONDS = 1.0


class Gathering:
    """Reads what the client sends while no connection is held for it. One for each wait."""

    __slots__ = ("_deadline", "_idle_ticks", "_is_late", "_sweep", "_task")

    def __init__(self, sweep: Sweep, idle_ticks: int) -> None:
        self._sweep = sweep
        self._idle_ticks = idle_ticks
        self._deadline = sweep.now + idle_ticks
        self._is_late = False
        self._task: asyncio.Task[None] | None = None

    async def opening(self, body: RequestBody) -> bytes:
        """What to send right behind the head. Raises `RequestRefused` when nothing comes, and what `receive` raises."""
        return await self._in_time(body.opening)

    async def most(self, body: RequestBody) -> bytes:
        """All that is left of a small body, the beginning of a large one. Raises like `opening`."""

        async def read() -> bytes:
            pieces: list[bytes] = []
            size = 0
            while not body.is_complete and size < GATHERED_BYTES:
                pieces.append(await body.piece())
                size += len(pieces[-1])
                self._deadline = self._sweep.now + self._idle_ticks
            return b"".join(pieces)

        return await self._in_time(read)

    def on_tick(self, now: int) -> None:
        """Give up when nothing has come for too long."""
        if now >= self._deadline and self._task is not None:
            self._is_late = True
            self._task.cancel()

    async def _in_time(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        task: asyncio.Task[None] | None = asyncio.current_task()
        self._task = task
        self._sweep.add(self)
        try:
            return await read()
        except asyncio.CancelledError:
            if not self._is_late or task is None:
                raise
            task.uncancel()
            raise RequestRefused("the client stopped sending its body") from None
        finally:
            self._sweep.discard(self)
            self._task = None


class Pace:
    """Of a client that holds a connection and has not sent all of its body."""

    __slots__ = ("_pool", "_sent_bytes", "_sweep", "_waited_ticks", "is_waiting")

    def __init__(self, pool: Pool, sweep: Sweep) -> None:
        self._pool = pool
        self._sweep = sweep
        self._sent_bytes = 0
        self._waited_ticks = 0
        self.is_waiting = False
        """For the client; otherwise for the upstream, which is not the client's doing."""

    def sent(self, size: int) -> None:
        """So many bytes have come."""
        self._sent_bytes += size

    def is_too_slow(self) -> bool:
        """Asked once in each tick. A client that nobody waits for may take its time."""
        if not self.is_waiting:
            return False
        self._waited_ticks += 1
        seconds = self._sweep.seconds(self._waited_ticks)
        is_behind = seconds > GRACE_SECONDS and self._sent_bytes < seconds * CROWDED_BYTES_PER_SECOND
        return is_behind and self._pool.is_crowded
