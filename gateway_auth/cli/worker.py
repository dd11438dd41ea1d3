"""The beginning of a worker process: from the file to an app, tied to the life of the server that started it."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway_auth.asgi.types import ASGIApp
from gateway_auth.cli.composition import build_app
from gateway_auth.config import load
from gateway_auth.errors import GatewayAuthError

_PR_SET_PDEATHSIG = 1

logger = logging.getLogger("gateway_auth.serve")


def worker_app(config: str, overrides: Mapping[str, object], snapshots: Path | None) -> ASGIApp:
    """What a worker serves, from the file: secrets never travel between processes.

    Its numbers go to the directory `snapshots`.
    """
    _die_with_parent()
    try:
        return build_app(load(config, overrides=overrides), snapshots)
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
