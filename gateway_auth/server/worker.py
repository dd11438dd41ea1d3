"""The beginning of a worker process: from the configuration to an app, tied to the life of its parent."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from gateway_auth.asgi.types import ASGIApp
from gateway_auth.config import Configuration
from gateway_auth.errors import GatewayAuthError
from gateway_auth.server import composition
from gateway_auth.server.draining import Draining
from gateway_auth.server.fast_path import FastPath
from gateway_auth.server.garbage import settle
from gateway_auth.server.idle import around
from gateway_auth.server.sockets import keep_only

_PR_SET_PDEATHSIG = 1

logger = logging.getLogger("gateway_auth.serve")


class Parts(NamedTuple):
    """What a worker serves, and what ends that which has no end of its own."""

    app: ASGIApp
    fast_path: FastPath
    leave: Callable[[], Awaitable[None]]


def begin(listener: socket.socket) -> None:
    """Be a worker of the process that this one was forked from."""
    _die_with_parent()
    keep_only(listener)


def build(configuration: Configuration, snapshots: Path | None) -> Parts:
    """Of the configuration the parent checked. Numbers go to the directory `snapshots`. Exits where it cannot be."""
    try:
        built = composition.build(configuration, snapshots)
    except GatewayAuthError as error:
        for line in str(error).splitlines():
            logger.error("a worker cannot start: %s", line)
        raise SystemExit(1) from None

    async def leave() -> None:
        await asyncio.gather(built.judge.leave(), built.proxy.close_websockets())

    return Parts(built.app, built.fast_path, leave)


def draining_app(
    configuration: Configuration, listener: socket.socket, ready: Connection, snapshots: Path | None
) -> Draining:
    """What a worker of Granian serves."""
    begin(listener)
    parts = build(configuration, snapshots)

    def tell_ready() -> None:
        settle()
        ready.send_bytes(b"ready")

    return Draining(around(parts.app, listener), listener, tell_ready, is_http2=True, leave=parts.leave)


def _die_with_parent() -> None:
    """A worker without its parent would go on serving the port, and nobody could tell it to stop."""
    signal.set_wakeup_fd(-1)
    # Out of reach of the terminal: Ctrl-C is for the parent, which lets workers leave in an orderly way.
    os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Forked with the parent's handlers, it would ignore being stopped until its own are set.
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the parent, also where a terminal sends it to all
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
