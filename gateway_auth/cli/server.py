"""Granian, set up for a gateway: how many connections, how long it waits, how it stops. Knows no command."""

from __future__ import annotations

import ctypes
import logging
import resource
import signal
import sys
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels

from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.cli.composition import build_app
from gateway_auth.cli.logs import log_settings
from gateway_auth.config import load
from gateway_auth.errors import GatewayAuthError

STOP_SECONDS = 20
"""How long requests in flight may take after SIGTERM: less than the 30 s orchestrators wait before they kill."""
IDLE_MILLISECONDS = 65_000
"""For a request's head to arrive, and between requests. Longer than the 60 s of common load balancers, which
would otherwise send a request into a connection that is just being closed."""
MAX_HEAD_BYTES = 64 * 1024
BACKLOG = 2048
WANTED_FILES = 65_536
MAX_CONNECTIONS = 16_384

HTTP1 = HTTP1Settings(header_read_timeout=IDLE_MILLISECONDS, max_buffer_size=MAX_HEAD_BYTES)
HTTP2 = HTTP2Settings(max_headers_size=MAX_HEAD_BYTES, max_concurrent_streams=100)

_PR_SET_PDEATHSIG = 1

logger = logging.getLogger("gateway_auth.serve")


def run_server(address: str, port: int, workers: int, level: str, config: str, overrides: Mapping[str, object]) -> int:
    """Serve until SIGTERM or SIGINT, then let requests in flight finish. Returns the exit code."""
    server = Granian(
        "gateway-auth",
        address=address,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop if find_spec("uvloop") else Loops.asyncio,
        backlog=BACKLOG,
        # Granian counts connections by it, idle ones too.
        backpressure=connections_per_worker(),
        http1_settings=HTTP1,
        http2_settings=HTTP2,
        log_level=LogLevels(level),
        log_dictconfig=log_settings(level),
        log_access=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
    )
    try:
        server.serve(target_loader=partial(worker_app, config, dict(overrides)), wrap_loader=False)
    except SystemExit as ended:
        # Ctrl-C reaches the workers too, and one that is gone first looks like one that failed.
        return 0 if server.interrupt_signal else ended.code if isinstance(ended.code, int) else 1
    return 0


def worker_app(config: str, overrides: Mapping[str, object]) -> GatewayAuth:
    """What a worker serves, from the file: secrets never travel between processes."""
    _die_with_parent()
    try:
        return build_app(load(config, overrides=overrides))
    except GatewayAuthError as error:
        for line in str(error).splitlines():
            logger.error("a worker cannot start: %s", line)
        raise SystemExit(1) from None


def _die_with_parent() -> None:
    """A worker without its parent would go on serving the port, and nobody could tell it to stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # Forked with the parent's handlers, it would ignore being stopped until its own are set.
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def connections_per_worker() -> int:
    """As many as the open-file limit bears, which is raised as far as allowed: each may need one to the upstream."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    return max(128, min(MAX_CONNECTIONS, files // 2 - 256))
