"""A server of HTTP/1.1 and WebSocket: uvicorn's start, stop and WebSockets around the connections of `http1`."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType
from typing import Any

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE

from gateway_auth.asgi.types import ASGIApp
from gateway_auth.server.http1 import Connections
from gateway_auth.server.http1.site import FastPath
from gateway_auth.server.http1.websocket import WebSocketConnection
from gateway_auth.server.refusals import Refusals
from gateway_auth.server.sockets import BACKLOG

DRAIN_SECONDS = 2.0
"""For clients that are busy to send one more request, and to be told that it is the last: longer than they pause."""
FAREWELL_SECONDS = 3.0
"""For clients to answer the close of what has no end of its own."""
QUEUE_SECONDS = 1.0
HANDSHAKE_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_GLANCE_SECONDS = 0.001


def http1_config(
    app: ASGIApp,
    *,
    max_connections: int,
    max_message_bytes: int,
    context: ssl.SSLContext | None = None,
    fast_path: FastPath | None = None,
) -> Config:
    """How `app` is served; `context` is what TLS is spoken with, `fast_path` what requests are tried on first."""
    refusals = Refusals()
    connections = Connections(app, max_connections=max_connections, refusal=refusals.refusal, failure=refusals.failure)
    connections.fast_path = fast_path
    config = Config(
        app,
        interface="asgi3",
        http=connections.open,  # type: ignore[arg-type]  # it is called as a class is
        ws=WebSocketConnection,
        ws_max_size=max_message_bytes,
        ws_per_message_deflate=False,
        # Its pings would end a connection whose client is only made to wait: the answer is not read meanwhile.
        ws_ping_interval=None,
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = context
    return config


async def _nothing() -> None:
    return None


class Http1Server(Server):
    """Says when it serves, and leaves without losing a request: whoever is on the way is answered, and told to go.

    `leave` ends what has no end of its own. `drain_seconds` is how long clients may still send a request.
    """

    def __init__(
        self,
        config: Config,
        tell_ready: Callable[[], None],
        leave: Callable[[], Awaitable[None]] = _nothing,
        *,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        super().__init__(config)
        self._tell_ready = tell_ready
        self._leave = leave
        self._drain_seconds = drain_seconds
        self._is_told = asyncio.Event()

    def stop(self) -> None:
        """Begin to leave."""
        self.should_exit = True
        self._is_told.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop."""
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._is_told.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept. uvicorn's own would give TLS handshakes a minute, uncounted."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        config, loop = self.config, asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            make: Any = config.http_protocol_class
            opened: asyncio.Protocol = make(config, self.server_state, self.lifespan.state, loop)
            return opened

        patience = HANDSHAKE_SECONDS if config.ssl is not None else None
        self.servers = [
            await loop.create_server(
                protocol, sock=each, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=patience
            )
            for each in sockets or ()
        ]
        self.started = True
        self._tell_ready()

    async def main_loop(self) -> None:
        """Until told to stop. uvicorn's own looks ten times a second, and would go on accepting until then."""
        await self._is_told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, let everybody finish, close what is idle."""
        loop = asyncio.get_running_loop()
        until = loop.time() + QUEUE_SECONDS
        # Where nobody else has a socket, whoever waits in its queue when it is closed is thrown out.
        while loop.time() < until and any(map(_is_waited_at, sockets or ())):  # noqa: ASYNC110
            await asyncio.sleep(_GLANCE_SECONDS)
        for server in self.servers:
            server.close()
        for connection in self.server_state.connections:
            connection.is_leaving = True  # type: ignore[union-attr]  # uvicorn's own take no notice
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._leave()
        until = loop.time() + self._drain_seconds
        while loop.time() < until and self.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        await super().shutdown(sockets)


def _is_waited_at(listener: socket.socket) -> bool:
    """Whether a connection waits to be accepted."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))
