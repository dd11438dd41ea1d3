"""Servers in this one process: started, waited for, stopped. It does not know what they serve."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from gateway_auth.asgi.types import ASGIApp
from gateway_auth.errors import CannotServe
from gateway_auth.server.http1.site import FastPath
from gateway_auth.server.http1_server import Http1Server, http1_config
from gateway_auth.server.sockets import TcpAddress
from gateway_auth.server.standalone import connections_per_worker

START_SECONDS = 15.0
STOP_SECONDS = 5.0
MAX_MESSAGE_BYTES = 10_485_760


def stop_signal() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM from now on."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


class _Guest(Http1Server):
    """Signals are its host's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, port: int, address: str = "127.0.0.1", *, fast_path: FastPath | None = None
) -> AsyncIterator[None]:
    """`app` answers there inside, and has stopped afterwards. Raises CannotServe where it does not start."""
    listener = TcpAddress(address, port).bind()
    ready = asyncio.Event()
    config = http1_config(
        app, max_connections=connections_per_worker(), max_message_bytes=MAX_MESSAGE_BYTES, fast_path=fast_path
    )
    server = _Guest(config, ready.set, drain_seconds=0.0)
    task = asyncio.create_task(_serve(server, listener))
    try:
        await _until_ready(task, ready, port)
        yield
    finally:
        server.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(task, STOP_SECONDS)


async def _serve(server: Http1Server, listener: socket.socket) -> None:
    with suppress(SystemExit):  # how uvicorn says that the app has not started; the log says why
        await server.serve(sockets=[listener])


async def _until_ready(task: asyncio.Task[None], ready: asyncio.Event, port: int) -> None:
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((task, waiting), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not ready.is_set():
        raise CannotServe(f"the server on port {port} did not start")
