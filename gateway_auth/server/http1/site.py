"""What the connections of one worker have in common: the app, a coarse clock, how many there may be, what is said."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, cast

from gateway_auth.asgi.types import ASGIApp
from gateway_auth.server.http1.cycle import Cycle
from gateway_auth.server.http1.request import BadRequest, RequestReader

IDLE_SECONDS = 65.0
"""For a request's head to arrive, and between requests. Longer than the 60 s of common load balancers, which
would otherwise send a request into a connection that is just being closed."""
MAX_LINES = 50
"""In the log, between two ticks, about what cannot be read: whoever sends it could fill a disk."""

logger = logging.getLogger("gateway_auth.serve")

# From 2.4 on an app may expect that it cannot send to a client that has left.
_ASGI = {"version": "3.0", "spec_version": "2.3"}


FastPath = Callable[[Cycle], bool]
"""Takes a complete request that needs no task, or says no; it may have set then what is to be run instead."""


class Site:
    """`refusal` makes the whole answer to what cannot be read, by its status, and `failure` to what the app failed at.

    uvicorn's part of it, `config` and `state`, and the `loop` are there from the first connection on.
    """

    config: Any
    state: Any
    """Any: it names uvicorn's own protocols alone."""
    loop: asyncio.AbstractEventLoop

    def __init__(
        self, app: ASGIApp, *, max_connections: int, refusal: Callable[[int], bytes], failure: Callable[[], bytes]
    ) -> None:
        self.app = app
        self.fast_path: FastPath | None = None
        self.refusal = refusal
        self.failure = failure
        self.now = 0.0
        self.idle_seconds = IDLE_SECONDS
        self.date_line = b""
        self.said_lines = 0
        self.own_lines: tuple[bytes, ...] = ()
        """Of fields that every response has."""
        self.app_state: dict[str, Any] = {}
        """What the lifespan left for requests."""
        self.has_websocket = True
        """Whether uvicorn has a protocol for it. A handshake is a request like others where it has not."""
        self._max_connections = max_connections

    def facts(self, transport: asyncio.Transport) -> dict[str, Any]:
        """What is the same in the scope of every request of a connection. A unix socket's clients have no address."""
        is_tls = transport.get_extra_info("sslcontext") is not None
        return {
            "type": "http",
            "asgi": _ASGI,
            "scheme": "https" if is_tls else "http",
            "root_path": "",
            "client": _address(transport.get_extra_info("peername")),
            "server": _address(transport.get_extra_info("sockname")),
        }

    def add(self, connection: asyncio.Protocol, transport: asyncio.Transport) -> bool:
        """Count one more; whether it may stay.

        Who has reset the connection by now has no address any more, but what it sent can be read: it must not pass
        for a client of a unix socket.
        """
        self.state.connections.add(connection)
        is_nobody = transport.get_extra_info("peername") is None and not _is_unix(transport)
        return not is_nobody and len(self.state.connections) <= self._max_connections

    def discard(self, connection: asyncio.Protocol) -> None:
        """It is closed, or somebody else's."""
        self.state.connections.discard(connection)

    def start(self, serving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that serves. It tells the server of itself: a callback at its end would cost a turn of the loop."""
        return self.loop.create_task(serving, context=self.context())

    def context(self) -> Context | None:
        """What a task runs in, where that is not a copy of what it is started from."""
        return None

    def note(self, error: BadRequest) -> None:
        """Say in the log why a request cannot be read, if not too much was said already."""
        self.said_lines += 1
        if self.said_lines <= MAX_LINES:
            logger.info("a request cannot be read: %s", error)

    def date(self) -> bytes:
        """The line of the Date field."""
        return self.date_line

    def idle_until(self) -> float:
        """How long a connection may do nothing."""
        return self.now + self.idle_seconds

    def open_websocket(self, transport: asyncio.Transport, reader: RequestReader, rest: bytes) -> asyncio.Protocol:
        """Give a connection to uvicorn's protocol for WebSockets, which reads the handshake anew."""
        lines = [b"GET %b HTTP/1.1" % reader.target, *(b": ".join(header) for header in reader.headers)]
        make: Any = self.config.ws_protocol_class
        protocol = make(config=self.config, server_state=self.state, app_state=self.app_state)
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        protocol.data_received(b"\r\n".join(lines) + b"\r\n\r\n")
        # Its bounds of a head are closer, or it opens no WebSocket. Another class of uvicorn's answers by itself.
        if not getattr(protocol, "handshake_initiated", True):
            self.note(BadRequest("a handshake that opens no WebSocket"))
            transport.write(self.refusal(400))
            transport.close()
        elif rest:
            protocol.data_received(rest)
        return cast(asyncio.Protocol, protocol)


def _is_unix(transport: asyncio.Transport) -> bool:
    return cast(socket.socket, transport.get_extra_info("socket")).family == socket.AF_UNIX


def _address(found: object) -> tuple[str, int] | None:
    return (found[0], found[1]) if isinstance(found, tuple) else None
