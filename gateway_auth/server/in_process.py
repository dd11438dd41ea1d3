"""Servers in this one process: started, waited for, stopped. It does not know what they serve."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from gateway_auth.asgi.types import ASGIApp
from gateway_auth.errors import CannotServe
from gateway_auth.server.granian_workers import HTTP1
from gateway_auth.server.logs import log_settings
from gateway_auth.server.sockets import BACKLOG
from gateway_auth.server.standalone import connections_per_worker

START_SECONDS = 15.0
STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02


def stop_signal() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM from now on."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


@asynccontextmanager
async def serving(app: ASGIApp, port: int, address: str = "127.0.0.1", level: str = "warning") -> AsyncIterator[None]:
    """`app` answers there inside, and has stopped afterwards. Raises CannotServe where it does not start."""
    server = Server(
        app,
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        backlog=BACKLOG,
        # Granian counts connections by it, idle ones too: a few slow clients must not keep all others out.
        backpressure=connections_per_worker(),
        http1_settings=HTTP1,
        http=HTTPModes.http1,
        # Below errors, Granian would tell of its own starting and stopping between the lines of the tour.
        log_level=LogLevels.error,
        log_dictconfig=log_settings(level),
        log_access=False,
    )
    task = asyncio.create_task(server.serve())
    try:
        await _until_it_listens(task, address, port)
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # Granian left this one out
        with suppress(TimeoutError):
            await asyncio.wait_for(task, STOP_SECONDS)


async def _until_it_listens(task: asyncio.Task[None], address: str, port: int) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while not task.done():
                with suppress(OSError):
                    _, writer = await asyncio.open_connection(address, port)
                    writer.close()
                    return
                await asyncio.sleep(_POLL_SECONDS)
    raise CannotServe(f"the server on port {port} did not start")
