"""One Redis server as the rest sees it: a command in, its reply or RedisUnavailable out, within the time allowed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from gateway_auth.adapters.redis.breaker import Breaker
from gateway_auth.adapters.redis.failures import BREAKING, WORDS, unavailable
from gateway_auth.adapters.redis.link import Command, Link, Reply
from gateway_auth.adapters.redis.pool import Pool
from gateway_auth.errors import RedisUnavailable

logger = logging.getLogger("gateway_auth.redis")

WRONG_SERVER = frozenset(("readonly", "masterdown"))
"""Words of a server that was the master once: the next connection asks anew who is."""
TELL_SECONDS = 60.0


class Node:
    """Runs commands on one server. `counts` are failures by kind, of the closed set in `failures`.

    Kinds in `mute` are the caller's business and not logged.
    """

    def __init__(
        self,
        name: str,
        dial: Callable[[], Awaitable[Link]],
        timeout_seconds: float,
        breaker: Breaker,
        mute: frozenset[str] = frozenset(("noscript", "error", "open", "closed")),
    ) -> None:
        self.name = name
        self.breaker = breaker
        self.counts: Counter[str] = Counter()
        self.pool = Pool(dial)
        self.dial = dial
        self._timeout = timeout_seconds
        self._recovery: asyncio.Task[None] | None = None
        self.mute = mute
        self._told: dict[str, float] = {}
        self._is_closed = False

    async def run(self, command: Command, seconds: float | None = None, *, is_asking: bool = False) -> Reply:
        """The reply. At once RedisUnavailable while the breaker is open; else after `seconds` at the latest.

        `is_asking` lets a cluster's node answer for a slot that is on its way to it.
        """
        if self.breaker.is_open:
            raise unavailable("open")
        try:
            link, budget = await self._borrow(self._timeout if seconds is None else seconds)
            try:
                if is_asking:
                    await link.exchange(("ASKING",), budget)
                reply = await link.exchange(command, budget)
            finally:
                self.pool.give_back(link)
        except RedisUnavailable as error:
            self._note(error)
            raise
        self.breaker.succeeded()
        return reply

    async def _borrow(self, budget: float) -> tuple[Link, float]:
        """A link, and what is left of the budget."""
        while (link := self.pool.take()) is not None:
            if await link.is_quiet():
                return link, budget
            # The server closed it while nobody looked: no failure, and no command was lost.
            link.close()
            self.pool.give_back(link)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget
        try:
            async with asyncio.timeout_at(deadline):
                link = await self.pool.wait()
        except TimeoutError:
            raise unavailable("busy" if self.pool.is_in_use else "timeout") from None
        return link, max(0.0, deadline - loop.time())

    def _note(self, error: RedisUnavailable) -> None:
        kind = error.kind
        self.counts[kind] += 1
        if kind in WRONG_SERVER:
            self.pool.renew()
        if kind not in BREAKING:
            self.breaker.succeeded()
            self._tell(kind)
            return
        self.breaker.failed(kind)
        if self.breaker.is_open and self._recovery is None and not self._is_closed:
            self.pool.renew()
            self.pool.turn_away(unavailable("open"))
            self._recovery = asyncio.create_task(self._recover(), name="gateway-auth redis probe")

    async def _recover(self) -> None:
        """One probe at a time, over a connection of its own, until one is answered."""
        try:
            while self.breaker.is_open:
                await asyncio.sleep(self.breaker.probe_delay())
                await self._probe()
        finally:
            self._recovery = None

    async def _probe(self) -> None:
        try:
            link = await self.dial()
            try:
                await link.exchange(("PING",), self._timeout)
            except RedisUnavailable as error:
                if error.kind in BREAKING or not link.is_open:
                    link.close()
                    raise
                # An answer in time, if not the one hoped for.
        except RedisUnavailable as error:
            self.counts[error.kind] += 1
            return
        self.breaker.recovered()
        self.pool.add(link)

    def _tell(self, kind: str) -> None:
        """Log what an operator must mend, once a minute at most."""
        now = asyncio.get_running_loop().time()
        if kind in self.mute or now < self._told.get(kind, float("-inf")):
            return
        self._told[kind] = now + TELL_SECONDS
        logger.warning("Redis %s %s", self.name, WORDS.get(kind, kind))

    async def close(self) -> None:
        """Close every connection and probe no more."""
        self._is_closed = True
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        await self.pool.close()
