"""The beginning of a worker process: from the file to an app, tied to the life of the server that started it."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
from collections.abc import Mapping

from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.cli.composition import build_app, build_proxy
from gateway_auth.cli.farewell import say_farewell
from gateway_auth.config import load
from gateway_auth.errors import GatewayAuthError

_PR_SET_PDEATHSIG = 1

logger = logging.getLogger("gateway_auth.serve")


def worker_app(config: str, overrides: Mapping[str, object]) -> GatewayAuth:
    """What a worker serves, from the file: secrets never travel between processes."""
    _die_with_parent()
    try:
        configuration = load(config, overrides=overrides)
        proxy = build_proxy(configuration)
        say_farewell(proxy.close_websockets)
        return build_app(configuration, proxy)
    except GatewayAuthError as error:
        for line in str(error).splitlines():
            logger.error("a worker cannot start: %s", line)
        raise SystemExit(1) from None


def _die_with_parent() -> None:
    """A worker without its parent would go on serving the port, and nobody could tell it to stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # Forked with the parent's handlers, it would ignore being stopped until its own are set.
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the parent, also where a terminal sends it to all
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
