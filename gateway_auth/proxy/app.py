"""The proxy as an ASGI app: forwards what has been judged, answers what could not be.

Decides nothing about access. Expects a scope that the middleware has cleaned: credentials and foreign
identity removed, ours set, the canonical path in `raw_path`, and the verdict's facts under `gateway_auth`
(`Judged`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from starlette.types import Receive, Scope, Send

from gateway_auth.core.upstream import Upstream
from gateway_auth.proxy.balancer import Balancer
from gateway_auth.proxy.exchange import Exchange
from gateway_auth.proxy.failures import (
    BodyBrokenOff,
    ClientLeft,
    ExchangeFailed,
    HandshakeRefused,
    RequestRefused,
    ResponseBroken,
)
from gateway_auth.proxy.handshake import Handshake
from gateway_auth.proxy.quick import QuickExchange, Told
from gateway_auth.proxy.refusal import passable, refusing
from gateway_auth.proxy.request import NO_BODY, RequestHead, request_head
from gateway_auth.proxy.sweep import Sweep
from gateway_auth.proxy.tls import tls_context
from gateway_auth.proxy.way import Patience, Way
from gateway_auth.proxy.websocket import WebSocket

Respond = Callable[[Send, str, str], Awaitable[None]]
"""`send`, the contract's code, the request id: answers with problem+json."""

MAX_MESSAGE_BYTES = 10_485_760

logger = logging.getLogger(__name__)


class Judged(Protocol):
    """What the judgement leaves for the proxy under `scope["gateway_auth"]`."""

    @property
    def upstream(self) -> str | None:
        """Key of the upstream chosen by the route; None: the default."""

    @property
    def timeout_seconds(self) -> float | None:
        """How long the route waits for the response's head; None: as long as the upstream says."""

    @property
    def client_address(self) -> str | None:
        """Textual address of the client; None where there is none, as on a Unix socket."""

    @property
    def request_id(self) -> str:
        """Ours; it stands in every answer and log line."""


class ProxyApp:
    """One per worker. Opens nothing before its lifespan or first request; belongs to the event loop that brings it.

    `upstreams` are those that routes name. `tick_seconds` is the period of the sweep over exchanges in flight: a
    departed client is noticed within about two of them. `max_message_bytes` is of one WebSocket message, in either
    direction; a larger one closes the connection with 1009. Raises `InvalidUpstream` where files of TLS cannot be used.
    """

    def __init__(
        self,
        default_upstream: Upstream | None,
        *,
        respond: Respond,
        upstreams: Mapping[str, Upstream] | None = None,
        tick_seconds: float = 0.25,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._default_upstream = default_upstream
        self._upstreams = upstreams or {}
        self._respond = respond
        self._tick_seconds = tick_seconds
        self._max_message_bytes = max_message_bytes
        self._sweep: Sweep | None = None
        # Made here, for reading the system's authorities takes longer than a request may hold up others.
        self._contexts = {each.name: tls_context(each.tls) for each in self._all_upstreams() if each.has_tls}
        # Keyed by what routes say: bounded by the configuration.
        self._ways: dict[tuple[str | None, float | None], Way] = {}
        self._balancers: dict[str, Balancer] = {}
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
        for balancer in self._balancers.values():
            balancer.close()

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
            way = self._way(judged)
            head = request_head(scope, judged.client_address, way.balancer.addressee)
            exchange = Exchange(head, receive, send, way=way, sweep=self._sweep_here())
            await exchange.run()
        except (ExchangeFailed, BodyBrokenOff) as failure:
            has_begun = exchange is not None and exchange.has_begun
            await self._answer(failure, judged.request_id, send, has_begun=has_begun)
        except ClientLeft:
            return

    def head(self, scope: Scope) -> RequestHead:
        """What `start` would send for a scope. Raises `ExchangeFailed`."""
        judged: Judged = scope["gateway_auth"]
        return request_head(scope, judged.client_address, self._way(judged).balancer.addressee)

    def start(self, judged: Judged, head: RequestHead, told: Told) -> bool:
        """Send a request that is complete and has no body, where nothing has to be waited for; whether that was done.

        Where it was not, nothing has happened, and the request is for this app as any other. Raises `ExchangeFailed`.
        """
        return head.body_bytes == NO_BODY and QuickExchange(head, self._way(judged), self._sweep_here(), told).start()

    async def go_on(self, sent: QuickExchange, scope: Scope, receive: Receive, send: Send) -> None:
        """The rest of what `start` began."""
        judged: Judged = scope["gateway_auth"]
        exchange = Exchange(sent.head, receive, send, way=sent.way, sweep=self._sweep_here())
        try:
            await exchange.go_on(sent)
        except ExchangeFailed as failure:
            await self._answer(failure, judged.request_id, send, has_begun=exchange.has_begun)
        except ClientLeft:
            return

    async def _tunnel(self, scope: Scope, receive: Receive, send: Send) -> None:
        judged: Judged = scope["gateway_auth"]
        websocket = WebSocket(receive, send, self._max_message_bytes)
        self._websockets.add(websocket)
        try:
            balancer = self._way(judged).balancer
            handshake = Handshake(
                scope, judged.client_address, balancer.addressee, max_message_bytes=self._max_message_bytes
            )
            await websocket.run(balancer, handshake)
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

    def _way(self, judged: Judged) -> Way:
        """Where a route's requests go."""
        key = (judged.upstream, judged.timeout_seconds)
        return self._ways.get(key) or self._new_way(key)

    def _new_way(self, key: tuple[str | None, float | None]) -> Way:
        """For a route, made on first use."""
        name, timeout_seconds = key
        upstream = self._default_upstream if name is None else self._upstreams.get(name)
        if upstream is None:
            raise ExchangeFailed(f"the configuration has no upstream {name!r}" if name else "there is no upstream")
        limits, sweep = upstream.limits, self._sweep_here()
        patience = Patience(
            head_ticks=sweep.ticks(timeout_seconds or limits.response_timeout_seconds),
            idle_ticks=sweep.ticks(limits.idle_timeout_seconds),
            is_upstreams=timeout_seconds is None,
        )
        self._ways[key] = way = Way(self._balancer(upstream), patience)
        return way

    def _balancer(self, upstream: Upstream) -> Balancer:
        """Routes to the same upstream share one."""
        balancer = self._balancers.get(upstream.name)
        if balancer is None:
            balancer = Balancer(upstream, self._contexts.get(upstream.name), self._sweep_here())
            self._balancers[upstream.name] = balancer
        return balancer

    def _sweep_here(self) -> Sweep:
        sweep = self._sweep
        if sweep is None:
            self._sweep = sweep = Sweep(asyncio.get_running_loop(), self._tick_seconds)
        return sweep

    def _all_upstreams(self) -> list[Upstream]:
        default = self._default_upstream
        return [*self._upstreams.values(), *((default,) if default is not None else ())]

    def _start_checks(self) -> None:
        """Before the first request, so that it meets no server known to be down."""
        for upstream in self._all_upstreams():
            if upstream.health is not None:
                self._balancer(upstream)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start_checks()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return
