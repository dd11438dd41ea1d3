"""Granian, set up for a gateway: how many connections, how long it waits, how it stops. Knows no command."""

from __future__ import annotations

import logging
import resource
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from types import FrameType

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from gateway_auth.cli.composition import refuse_unservable
from gateway_auth.cli.logs import log_settings
from gateway_auth.cli.worker import worker_app
from gateway_auth.config import Configuration, load
from gateway_auth.errors import ConfigError

STOP_SECONDS = 20
"""How long requests in flight may take after SIGTERM: less than the 30 s orchestrators wait before they kill."""
START_SECONDS = 1.5
"""How long a new worker has before the one it replaces stops listening."""
IDLE_MILLISECONDS = 65_000
"""For a request's head to arrive, and between requests. Longer than the 60 s of common load balancers, which
would otherwise send a request into a connection that is just being closed."""
MAX_HEAD_BYTES = 64 * 1024
BACKLOG = 2048
WANTED_FILES = 65_536
MAX_CONNECTIONS = 16_384

HTTP1 = HTTP1Settings(header_read_timeout=IDLE_MILLISECONDS, max_buffer_size=MAX_HEAD_BYTES)

logger = logging.getLogger("gateway_auth.serve")


def run_server(
    address: str,
    port: int,
    workers: int,
    level: str,
    config: str,
    overrides: Mapping[str, object],
    check: Callable[[Configuration], None],
    status: tuple[str, int] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, then let requests in flight finish. Returns the exit code.

    `check` raises ConfigError for a configuration, read again, that must not be served. `status` is where the numbers
    of all workers are told, if anywhere.
    """
    server = Granian(
        "gateway-auth",
        address=address,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        # HTTP/2 comes with TLS: without it only clients that know beforehand would speak it.
        http=HTTPModes.http1,
        loop=Loops.uvloop if find_spec("uvloop") else Loops.asyncio,
        backlog=BACKLOG,
        # Granian counts connections by it, idle ones too.
        backpressure=connections_per_worker(),
        http1_settings=HTTP1,
        log_level=LogLevels(level),
        log_dictconfig=log_settings(level),
        log_access=False,
        respawn_failed_workers=True,
        respawn_interval=START_SECONDS,
        workers_kill_timeout=STOP_SECONDS,
    )

    def reload(number: int, frame: FrameType | None) -> None:
        if can_be_served(config, overrides, check):
            server.signal_handler_reload()  # type: ignore[no-untyped-call]  # as Granian left it

    # After Granian has set its own, which would replace working workers by some that cannot start.
    server.on_startup(lambda: signal.signal(signal.SIGHUP, reload))
    with ExitStack() as stack:
        snapshots = None
        if status is not None:
            from gateway_auth.cli.status import status_listening

            snapshots = stack.enter_context(status_listening(status, server.on_startup))
        loader = partial(worker_app, config, dict(overrides), snapshots)
        try:
            server.serve(target_loader=loader, wrap_loader=False)
        except SystemExit as ended:
            # Ctrl-C reaches the workers too, and one that is gone first looks like one that failed.
            return 0 if server.interrupt_signal else ended.code if isinstance(ended.code, int) else 1
    return 0


def can_be_served(config: str, overrides: Mapping[str, object], check: Callable[[Configuration], None]) -> bool:
    """Whether new workers could start from the file as it is now; else the log says why not."""
    try:
        configuration = load(config, overrides=overrides)
        refuse_unservable(configuration)
        check(configuration)
    except ConfigError as error:
        for problem in error.problems:
            logger.error("the configuration was not read again: %s", problem)
        return False
    return True


def connections_per_worker() -> int:
    """As many as the open-file limit bears, which is raised as far as allowed: each may need one to the upstream."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    return max(128, min(MAX_CONNECTIONS, files // 2 - 256))
