"""Starts and stops what a middleware needs: in the lifespan, or on the first request where there is none.

asyncio is imported late, as everything heavy here: with ssl it would be most of what importing this package costs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway_auth.asgi.types import ASGIApp, Message, Receive, Scope, Send
from gateway_auth.errors import GatewayAuthError

if TYPE_CHECKING:
    import asyncio

    from gateway_auth.bootstrap import Gateway
    from gateway_auth.config import Configuration

logger = logging.getLogger("gateway_auth")

Source = "str | os.PathLike[str] | Mapping[str, object] | Configuration"


class Runtime:
    """Holds the running gateway of one event loop. Nothing is opened, read or imported before `start`."""

    def __init__(self, config: str | os.PathLike[str] | Mapping[str, object] | Configuration) -> None:
        self._config = config
        self.gateway: Gateway | None = None
        """The gateway started last; it may be closed by now."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Task[Gateway] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> Gateway:
        """The gateway of the running loop, started if need be; callers at the same time share one start."""
        import asyncio

        loop = asyncio.get_running_loop()
        if self._starting is None or self._loop is not loop or _has_failed(self._starting):
            # A gateway of another loop was closed with it: see _keep.
            self._loop = loop
            self._starting = loop.create_task(self._open(), name="gateway-auth start")
        return await asyncio.shield(self._starting)

    async def _open(self) -> Gateway:
        import asyncio

        from gateway_auth.bootstrap import open_gateway

        gateway = await open_gateway(self._config)
        self.gateway = gateway
        self._keeping = asyncio.create_task(_keep(gateway), name="gateway-auth keeper")
        return gateway

    async def stop(self) -> None:
        """Close the gateway, if one was started."""
        import asyncio

        starting, self._starting = self._starting, None
        if starting is not None and self._loop is asyncio.get_running_loop():
            await asyncio.gather(starting, return_exceptions=True)
            if self._keeping is not None:
                self._keeping.cancel()
                await asyncio.gather(self._keeping, return_exceptions=True)


async def _keep(gateway: Gateway) -> None:
    """Close the gateway when told to, or when its loop ends: whoever ends a loop cancels what is left on it.

    Without a lifespan (under a mount, with a test client that makes a loop per request) nobody else would.
    """
    import asyncio

    try:
        await asyncio.Event().wait()
    finally:
        await gateway.close()


def _has_failed(task: asyncio.Task[Gateway]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def run_lifespan(app: ASGIApp, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    """The lifespan protocol around the app's own: we start before it and stop after it."""
    first: list[Message] = [await receive()]
    try:
        await runtime.start()
    except GatewayAuthError as error:
        # Told by the protocol's own message: an exception here would be taken for "no lifespan support" and ignored.
        await send({"type": "lifespan.startup.failed", "message": f"gateway-auth: {error}"})
        return

    async def receive_rest() -> Message:
        return first.pop() if first else await receive()

    has_spoken = False

    async def send_after_stop(message: Message) -> None:
        nonlocal has_spoken
        has_spoken = True
        if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"):
            await runtime.stop()
        await send(message)

    try:
        await app(scope, receive_rest, send_after_stop)
    except Exception:
        if has_spoken:
            raise
        logger.info("the app behind does not take part in the lifespan", exc_info=True)
    else:
        if has_spoken:
            return
    # Servers take an app that ends without a word for one without lifespan, and would not tell us when to stop.
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await runtime.stop()
    await send({"type": "lifespan.shutdown.complete"})
