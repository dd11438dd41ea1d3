"""An admitted WebSocket for as long as it is open: what it was admitted by must still hold for every frame.

It decides how such a connection ends, not when: that is `engine.watches`' business.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from gateway_auth.asgi.respond import POLICY_VIOLATION
from gateway_auth.asgi.types import ASGIApp, Message, Receive, Scope, Send
from gateway_auth.core.decision import Deny, Reason

if TYPE_CHECKING:
    import asyncio

    from gateway_auth.asgi.exchange import Exchange

logger = logging.getLogger("gateway_auth")

TRY_AGAIN_LATER = 1013
"""Of IANA's registry of close codes: what is wrong is not the client's credential."""
CLOSE_SECONDS = 5.0
"""For a client to take the close, before the connection is dropped under it."""


def watched(app: ASGIApp, exchange: Exchange) -> ASGIApp:
    """`app` for one WebSocket, which is closed when its credential may no longer open one."""
    decision = exchange.decision
    if not decision.principal.is_authenticated or decision.policy.is_shadow:
        return app
    return _Watched(app, exchange)


class _Watched:
    """Passes messages on while the watch is sure of them. Used for one connection.

    Whoever waits for the client, or for a slow one to take a message, is woken when it ends: Granian sends no close
    beside a pending `receive`.
    """

    def __init__(self, app: ASGIApp, exchange: Exchange) -> None:
        self._app = app
        self._exchange = exchange
        self._watch = exchange.gate.watches.open(exchange.reading.facts, exchange.principal, self._end)
        self._waiting: set[asyncio.Timeout] = set()
        self._closing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._server_receive, self._next_send = receive, send
        try:
            await self._app(scope, self._receive, self._send)
        except Exception:
            if self._watch.denial is None:
                raise
            logger.debug("an app ended so after its WebSocket was closed", exc_info=True)
        finally:
            self._watch.close()
            if self._closing is not None:
                await self._closing

    async def _receive(self) -> Message:
        watch = self._watch
        if watch.denial is None:
            message = await self._interruptible(self._server_receive())
            if message is not None and message["type"] == "websocket.disconnect":
                watch.close()
                return message
            if message is not None and (watch.is_sure() or await watch.may_go_on()):
                return message
        return {"type": "websocket.disconnect", "code": _code(watch.denial), "reason": _reason(watch.denial)}

    async def _send(self, message: Message) -> None:
        watch = self._watch
        kind = message["type"]
        if kind == "websocket.close" and watch.denial is None:
            watch.close()
        elif not watch.is_sure() and not await watch.may_go_on() and self._exchange.has_started:
            if kind == "websocket.close":
                return
            raise ConnectionAbortedError(f"the WebSocket was closed: {_reason(watch.denial)}")
        if kind != "websocket.send":
            await self._next_send(message)
            return
        await self._interruptible(self._next_send(message))
        if watch.denial is not None:
            raise ConnectionAbortedError(f"the WebSocket was closed: {_reason(watch.denial)}")

    async def _interruptible(self, waiting: Awaitable[Message | None]) -> Message | None:
        """What is awaited; None when the connection was ended meanwhile."""
        import asyncio

        pause = asyncio.timeout(None)
        try:
            async with pause:
                self._waiting.add(pause)
                return await waiting
        except TimeoutError:
            if self._watch.denial is None or not pause.expired():
                raise
            return None
        finally:
            self._waiting.discard(pause)
            if self._closing is not None and not self._waiting:
                self._nobody_waits.set()

    def _end(self, denial: Deny) -> None:
        """Called by the watch, in whatever task found it out."""
        import asyncio

        exchange = self._exchange
        loop = asyncio.get_running_loop()
        if exchange.has_started:
            reading = exchange.reading
            exchange.gate.recorder.record(denial, reading.facts, exchange.request_id, reading.client_request_id)
            self._nobody_waits = asyncio.Event()
            if not self._waiting:
                self._nobody_waits.set()
            self._closing = loop.create_task(self._close(denial), name="gateway-auth close")
        elif exchange.denial is None:
            exchange.denial = denial  # Whatever the app does next is answered by the refusal.
        for pause in self._waiting:
            pause.reschedule(loop.time())

    async def _close(self, denial: Deny) -> None:
        import asyncio

        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._nobody_waits.wait()
                message = {"type": "websocket.close", "code": _code(denial), "reason": _reason(denial)}
                await self._exchange.server_send(message)
        except Exception:  # it has left, or takes nothing: the server drops it when the app is done
            logger.debug("a WebSocket took no close", exc_info=True)


def _code(denial: Deny | None) -> int:
    is_outage = denial is not None and denial.reason is Reason.DEPENDENCY_UNAVAILABLE
    return TRY_AGAIN_LATER if is_outage else POLICY_VIOLATION


def _reason(denial: Deny | None) -> str:
    return denial.reason if denial is not None else ""
