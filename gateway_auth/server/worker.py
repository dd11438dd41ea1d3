"""The beginning of a worker process: from the configuration to an app, tied to the life of its parent."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from gateway_auth.asgi.types import ASGIApp
from gateway_auth.config import Configuration
from gateway_auth.errors import GatewayAuthError
from gateway_auth.server.composition import build_app, build_judge, build_proxy
from gateway_auth.server.draining import Draining
from gateway_auth.server.garbage import settle
from gateway_auth.server.idle import around
from gateway_auth.server.sockets import keep_only

_PR_SET_PDEATHSIG = 1

logger = logging.getLogger("gateway_auth.serve")


def worker_app(
    configuration: Configuration, listener: socket.socket, ready: Connection, snapshots: Path | None
) -> Draining:
    """What a worker serves: the configuration its parent checked, which it was forked with.

    Its numbers go to the directory `snapshots`.
    """
    _die_with_parent()
    keep_only(listener)
    is_http2 = configuration.tls is not None and configuration.tls.is_http2
    try:
        proxy = build_proxy(configuration)
        judge = build_judge(configuration, proxy)
        app: ASGIApp = build_app(configuration, judge, snapshots)
        app = around(app, listener) if is_http2 else app

        async def leave() -> None:
            await asyncio.gather(judge.leave(), proxy.close_websockets())

        def begin() -> None:
            settle()
            ready.send_bytes(b"ready")

        return Draining(app, listener, begin, is_http2=is_http2, leave=leave)
    except GatewayAuthError as error:
        for line in str(error).splitlines():
            logger.error("a worker cannot start: %s", line)
        raise SystemExit(1) from None


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
