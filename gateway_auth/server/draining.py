"""How a worker leaves: it accepts nothing new, tells its clients, and then lets the server close what is idle.

Granian closes idle connections the moment it is told to stop, and a request on its way into one of them is lost. So
before that every answer says `Connection: close` for a while: clients that send requests go elsewhere by themselves.
HTTP/2 needs none of it: GOAWAY tells a client which of its requests were taken (RFC 9113 section 6.8).
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gateway_auth.asgi.types import ASGIApp, Message, Receive, Scope, Send
from gateway_auth.server.idle import connections

DRAIN_SECONDS = 2.0
"""Longer than clients that are busy pause between two requests."""
FAREWELL_SECONDS = 3.0
"""For clients to answer the close of what has no end of its own."""
QUEUE_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_GLANCE_SECONDS = 0.001
_CLOSE = (b"connection", b"close")


class Draining:
    """The app a worker serves, until SIGTERM as it is. `listener` is the socket the server accepts from.

    `tell_ready` is called once, when the app has started. Clients of a unix socket have no address: the server would
    tell the path a client bound its own end to, which may be spelled like an address of somebody trusted. Over HTTP/2
    the server sends the body of an answer to HEAD, which ends the stream with an error: it must not get one.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        tell_ready: Callable[[], None],
        *,
        is_http2: bool = False,
        leave: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._app = app
        self._listener = listener
        self._tell_ready = tell_ready
        self._leave = leave
        self._name = listener.getsockname()
        self._is_unix = listener.family == socket.AF_UNIX
        self._is_usual = not self._is_unix and not is_http2
        self._is_draining = False
        self._is_plain = False
        self._drain_task: asyncio.Task[None] | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Nothing is done to a usual request."""
        if self._is_plain:
            return self._app(scope, receive, send)
        if scope["type"] == "lifespan":
            return self._app(scope, receive, self._noticing(send))
        if self._is_unix:
            scope["client"] = None
        if scope["type"] == "http":
            if scope["http_version"] == "2":
                send = _bodiless(send) if scope["method"] == "HEAD" else send
            elif self._is_draining:
                send = _closing(send)
        return self._app(scope, receive, send)

    def _noticing(self, send: Send) -> Send:
        async def noticing_send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                # In place of the server's own handler, set by now. SIGINT still is the server's; nobody else sends it.
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._begin)
                self._is_plain = self._is_usual
                self._tell_ready()
            await send(message)

        return noticing_send

    def _begin(self) -> None:
        if not self._is_draining:
            self._is_draining, self._is_plain = True, False
            self._drain_task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + QUEUE_SECONDS
        # Where nobody else has the socket, whoever waits in its queue when it is closed is thrown out.
        while loop.time() < until and _is_waited_at(self._listener):  # noqa: ASYNC110
            await asyncio.sleep(_GLANCE_SECONDS)
        _accept_no_more(self._listener)
        await self._say_farewell()
        until = loop.time() + DRAIN_SECONDS
        # Connections are the server's, and it tells nobody when the last one is gone.
        while loop.time() < until and _has_clients(self._name):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGINT)

    async def _say_farewell(self) -> None:
        """What has no end of its own, a WebSocket, is ended: the server would just drop it."""
        if self._leave is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self._leave()


def _closing(send: Send) -> Send:
    def closing_send(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
        return send(message)

    return closing_send


def _bodiless(send: Send) -> Send:
    def bodiless_send(message: Message) -> Awaitable[None]:
        return send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return bodiless_send


def _accept_no_more(listener: socket.socket) -> None:
    """Put a socket nobody can reach under the number the server accepts from.

    The server has no way to stop accepting and go on answering. The socket itself is shared with the parent and with
    the worker that follows, and must stay open. The decoy is of another family: should somebody find it, the server
    fails to read the client's address and drops the connection.
    """
    if sys.platform != "linux":
        return  # Accepting goes on, and ends with the connections.
    if listener.family == socket.AF_UNIX:
        decoy = socket.create_server(("127.0.0.1", 0))
    else:
        decoy = socket.socket(socket.AF_UNIX)
        decoy.bind("")  # an abstract name the kernel chooses
        decoy.listen(1)
    with decoy:
        decoy.setblocking(False)
        os.dup2(decoy.fileno(), listener.fileno(), inheritable=False)


def _is_waited_at(listener: socket.socket) -> bool:
    """Whether a connection waits to be accepted."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


def _has_clients(name: object) -> bool:
    """Whether a connection to the socket of this name is open in this process."""
    for copy, _ in connections(name):
        copy.close()
        return True
    return False
