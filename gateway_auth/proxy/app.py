"""The proxy as an ASGI app: forwards what has been judged, answers what could not be.

Decides nothing about access. Expects a scope that the middleware has cleaned: credentials and foreign
identity removed, ours set, the canonical path in `raw_path`, and the verdict's facts under `gateway_auth`
(`Judged`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.types import Receive, Scope, Send

from gateway_auth.proxy.exchange import Exchange, Patience
from gateway_auth.proxy.failures import (
    BodyBrokenOff,
    ClientLeft,
    ExchangeFailed,
    HandshakeRefused,
    RequestRefused,
    ResponseBroken,
)
from gateway_auth.proxy.handshake import Handshake
from gateway_auth.proxy.limits import ProxyLimits
from gateway_auth.proxy.pool import Pool
from gateway_auth.proxy.refusal import passable, refusing
from gateway_auth.proxy.request import request_head
from gateway_auth.proxy.sweep import Sweep
from gateway_auth.proxy.upstream import InvalidUpstream, Upstream, parse_upstream
from gateway_auth.proxy.websocket import WebSocket

Respond = Callable[[Send, str, str], Awaitable[None]]
"""`send`, the contract's code, the request id: answers with problem+json."""

logger = logging.getLogger(__name__)


class Judged(Protocol):
    """What the judgement leaves for the proxy under `scope["gateway_auth"]`."""

    @property
    def upstream(self) -> str | None:
        """URL chosen by the route; None: the default."""

    @property
    def client_address(self) -> str | None:
        """Textual address of the client; None where there is none, as on a Unix socket."""

    @property
    def request_id(self) -> str:
        """Ours; it stands in every answer and log line."""


class ProxyApp:
    """One per worker. Opens nothing before the first request; belongs to the event loop that brings it."""

    def __init__(
        self, default_upstream: Upstream | None, *, respond: Respond, limits: ProxyLimits | None = None
    ) -> None:
        self._default_upstream = default_upstream
        self._respond = respond
        self._limits = limits or ProxyLimits()
        self._sweep: Sweep | None = None
        self._patience = Patience(head_ticks=0, idle_ticks=0)
        # Keyed by the URLs of the configuration's routes: bounded by it, and each is parsed once.
        self._pools: dict[str | None, Pool] = {}
        self._pools_by_upstream: dict[Upstream, Pool] = {}
        self._websockets: set[WebSocket] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward HTTP and WebSocket; take part in the lifespan."""
        if scope["type"] == "http":
            await self._forward(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._tunnel(scope, receive, send)
        else:
            await self._live(receive, send)

    async def aclose(self) -> None:
        """Close what is idle; exchanges in flight may finish, their connections are closed after them.

        A WebSocket would never finish: both its sides are told that the server goes away (1001).
        """
        for websocket in self._websockets:
            websocket.stop()
        for pool in self._pools_by_upstream.values():
            pool.close()

    async def close_websockets(self) -> None:
        """Close all that are open with 1001, and wait until they are."""
        open_ones = set(self._websockets)
        for websocket in open_ones:
            websocket.stop()
        await asyncio.gather(*(websocket.is_over.wait() for websocket in open_ones))

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        judged: Judged = scope["gateway_auth"]
        exchange: Exchange | None = None
        try:
            pool = self._pools.get(judged.upstream) or self._pool(judged.upstream)
            head = request_head(scope, judged.client_address, pool.host)
            exchange = Exchange(head, receive, send, pool=pool, sweep=self._sweep_here(), patience=self._patience)
            await exchange.run()
        except (ExchangeFailed, BodyBrokenOff) as failure:
            has_begun = exchange is not None and exchange.has_begun
            await self._answer(failure, judged.request_id, send, has_begun=has_begun)
        except ClientLeft:
            return

    async def _tunnel(self, scope: Scope, receive: Receive, send: Send) -> None:
        judged: Judged = scope["gateway_auth"]
        limits = self._limits
        websocket = WebSocket(receive, send, limits)
        self._websockets.add(websocket)
        try:
            pool = self._pools.get(judged.upstream) or self._pool(judged.upstream)
            handshake = Handshake(scope, judged.client_address, pool.host, max_message_bytes=limits.max_message_bytes)
            await websocket.run(pool.upstream, handshake)
        except ExchangeFailed as failure:
            try:
                await self._refuse(failure, judged.request_id, refusing(scope, send))
            except (OSError, RuntimeError):
                # Granian tells of a client that left during the handshake only by this.
                logger.debug("request %s: nobody is there to answer", judged.request_id, exc_info=True)
        except ClientLeft:
            return
        finally:
            self._websockets.discard(websocket)

    async def _refuse(self, failure: ExchangeFailed, request_id: str, send: Send) -> None:
        """The upstream's answer to a handshake it refuses is the client's; all other failures are answered by us."""
        if not isinstance(failure, HandshakeRefused) or not failure.is_answer:
            await self._answer(failure, request_id, send, has_begun=False)
            return
        await send({"type": "http.response.start", "status": failure.status, "headers": passable(failure.fields)})
        await send({"type": "http.response.body", "body": failure.body})

    async def _answer(
        self, failure: ExchangeFailed | BodyBrokenOff, request_id: str, send: Send, *, has_begun: bool
    ) -> None:
        """While nothing has been sent an answer can be.

        After that only the server can make the break visible.
        """
        level = logging.INFO if failure.code == RequestRefused.code else logging.WARNING
        logger.log(level, "request %s: %s: %s", request_id, failure.code, failure)
        if not has_begun:
            await self._respond(send, failure.code, request_id)
        elif isinstance(failure, ExchangeFailed):
            raise ResponseBroken(f"request {request_id}: {failure}") from failure

    def _pool(self, url: str | None) -> Pool:
        """The pool for a route's URL, made on first use. Routes to the same upstream share one."""
        try:
            upstream = self._default_upstream if url is None else parse_upstream(url)
        except InvalidUpstream as error:
            raise ExchangeFailed(str(error)) from error
        if upstream is None:
            raise ExchangeFailed("neither the route nor the configuration names an upstream")
        pool = self._pools_by_upstream.get(upstream)
        if pool is None:
            pool = Pool(upstream, self._limits, self._sweep_here(), asyncio.get_running_loop())
            self._pools_by_upstream[upstream] = pool
        self._pools[url] = pool
        return pool

    def _sweep_here(self) -> Sweep:
        sweep = self._sweep
        if sweep is None:
            limits = self._limits
            self._sweep = sweep = Sweep(asyncio.get_running_loop(), limits.tick_seconds)
            self._patience = Patience(
                head_ticks=sweep.ticks(limits.head_timeout_seconds),
                idle_ticks=sweep.ticks(limits.idle_timeout_seconds),
            )
        return sweep

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return
