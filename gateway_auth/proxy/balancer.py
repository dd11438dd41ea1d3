"""Which server of an upstream gets the next request: a fit one with the fewest under way, by chance among equals.

Must not know what is sent.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway_auth.core.upstream import Upstream
from gateway_auth.proxy.connection import UpstreamConnection
from gateway_auth.proxy.dial import Dialler
from gateway_auth.proxy.failures import NotConnected, NotConnectedInTime
from gateway_auth.proxy.health import HealthWatch
from gateway_auth.proxy.pool import Pool
from gateway_auth.proxy.request import Addressee
from gateway_auth.proxy.standing import Standing
from gateway_auth.proxy.sweep import Sweep

P = TypeVar("P", bound=asyncio.Protocol)

# However many servers there are: each may take the whole connect timeout, and the client waits.
MAX_SERVERS_TRIED = 3


class Balancer:
    """The servers of one upstream, for one worker. `addressee` is how its requests are written."""

    __slots__ = ("_only", "_pools", "_watches", "addressee")

    def __init__(self, upstream: Upstream, context: ssl.SSLContext | None, sweep: Sweep) -> None:
        loop = asyncio.get_running_loop()
        self.addressee = Addressee(
            default_host=upstream.servers[0].authority.encode("ascii"),
            own_host=upstream.host.encode("ascii") if upstream.host is not None else None,
            is_forwarded_told=upstream.is_forwarded_told,
        )
        self._pools: list[Pool] = []
        self._watches: list[HealthWatch] = []
        for server in upstream.servers:
            dialler = Dialler(
                server,
                loop,
                context=context,
                server_name=upstream.tls.server_name,
                may_be_metadata=upstream.may_be_metadata,
            )
            standing = Standing(upstream.title(server), loop.time, upstream.fail_after, upstream.fail_seconds)
            self._pools.append(Pool(dialler, standing, upstream.limits, sweep, loop))
            if upstream.health is not None:
                self._watches.append(HealthWatch(dialler, standing, upstream.health, upstream.host))
        self._only = self._pools[0] if len(self._pools) == 1 else None
        for watch in self._watches:
            watch.start()

    def choose(self) -> Pool:
        """The server for the next request. Does not wait."""
        return self._only or _least_busy(self._pools)

    async def dial(self, protocol_of: Callable[[Callable[[], None]], P]) -> P:
        """A connection that no exchange shares, to a fit server or, where none can be made, to another.

        `protocol_of` is given what the protocol calls when its connection is lost; until then the server is the busier
        by one. Raises `ExchangeFailed`.
        """
        left = list(self._pools)
        for attempt in range(1, MAX_SERVERS_TRIED + 1):
            pool = _least_busy(left)
            try:
                return await pool.dial(protocol_of)
            except (NotConnected, NotConnectedInTime) as failure:
                pool.standing.strike(failure)
                left.remove(pool)
                if not left or attempt == MAX_SERVERS_TRIED:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def connect(self, pool: Pool) -> tuple[Pool, UpstreamConnection]:
        """A connection to the server chosen or, where none can be made, to another: nothing has been sent yet.

        Raises `ExchangeFailed`.
        """
        left = list(self._pools)
        for attempt in range(1, MAX_SERVERS_TRIED + 1):
            try:
                return pool, await pool.connect()
            except (NotConnected, NotConnectedInTime) as failure:
                pool.standing.strike(failure)
                left.remove(pool)
                if not left or attempt == MAX_SERVERS_TRIED:
                    raise
            pool = _least_busy(left)
            idle = pool.take()
            if idle is not None:
                return pool, idle
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """No more checks; close idle connections now and the others after their exchange."""
        for watch in self._watches:
            watch.stop()
        for pool in self._pools:
            pool.close()


def _least_busy(pools: Sequence[Pool]) -> Pool:
    """Where none is fit all are tried: a doubtful server is better than a certain refusal."""
    fit = [pool for pool in pools if pool.standing.is_fit()] or pools
    busy = [pool.busy for pool in fit]
    least = min(busy)
    return random.choice([pool for pool, count in zip(fit, busy, strict=True) if count == least])  # noqa: S311 - no secret
