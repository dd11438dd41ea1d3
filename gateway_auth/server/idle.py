"""Closes connections on which nothing happens, where the server has no time limit of its own for them.

Over TLS with HTTP/2 Granian waits for ever for the first byte after the handshake, and keeps a connection without
streams as long as its client wants. Whoever opens many such holds all the connections a worker has.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send

IDLE_SECONDS = 65.0
PERIOD_SECONDS = 10.0
_LAST_SENT_AND_RECEIVED = struct.Struct("=44xI4xI")
"""Milliseconds since, in Linux's `struct tcp_info`."""

Peer = tuple[str, str]


class IdleConnections:
    """Around the app: knows which clients have a request under way. `name` is the listener's own address."""

    def __init__(self, app: ASGIApp, name: object, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._app = app
        self._name = name
        self._idle_seconds = idle_seconds
        self._busy: dict[Peer, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request counts as long as the app is at it, a WebSocket as long as it is open."""
        peer: Peer | None = scope.get("client")
        if peer is None:
            if scope["type"] == "lifespan" and sys.platform == "linux":
                self._task = asyncio.get_running_loop().create_task(self._watch())
            await self._app(scope, receive, send)
            return
        busy = self._busy
        busy[peer] = busy.get(peer, 0) + 1
        try:
            await self._app(scope, receive, send)
        finally:
            if busy[peer] == 1:
                del busy[peer]
            else:
                busy[peer] -= 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(PERIOD_SECONDS, self._idle_seconds / 2))
            with suppress(OSError):  # no descriptor left to look with: the next time
                await asyncio.to_thread(self._close_idle)

    def _close_idle(self) -> None:
        for copy, peer in connections(self._name):
            with copy, suppress(OSError):
                if peer not in self._busy and _idle_seconds(copy) > self._idle_seconds:
                    copy.shutdown(socket.SHUT_RDWR)


def connections(name: object) -> Iterator[tuple[socket.socket, Peer]]:
    """Every connection of this process to the listener of that name, and who is at its other end.

    What is given is a copy, to be closed: the server may close the original at any moment, and its number then be
    something else's.
    """
    for number in os.listdir("/dev/fd"):
        try:
            copy = socket.socket(fileno=os.dup(int(number)))
        except OSError:
            continue
        try:
            host, port = _peer(copy) if _is_of(copy, name) else (None, "")
        except OSError:
            host, port = None, ""
        if host is None:
            copy.close()
        else:
            yield copy, (host, port)


def _is_of(connection: socket.socket, name: object) -> bool:
    """By the port: who listens on every address has connections to each of them."""
    found = connection.getsockname()
    if isinstance(found, tuple) and isinstance(name, tuple):
        return bool(found[1] == name[1])
    return bool(found == name)


def _peer(connection: socket.socket) -> tuple[str, str]:
    """Raises OSError for what is no connection, the listener itself for one."""
    found = connection.getpeername()
    return ("", "") if connection.family == socket.AF_UNIX else (found[0], str(found[1]))


def _idle_seconds(connection: socket.socket) -> float:
    """Since a byte went either way."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_SENT_AND_RECEIVED.size)
    sent, received = _LAST_SENT_AND_RECEIVED.unpack(info)
    return float(min(sent, received)) / 1000


def around(app: ASGIApp, listener: socket.socket) -> ASGIApp:
    """`app`, with idle connections closed where the listener's are TCP: others have nobody far away behind them."""
    return app if listener.family == socket.AF_UNIX else IdleConnections(app, listener.getsockname())
