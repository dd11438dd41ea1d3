"""What `doctor` looks at where requests come in: address or socket, certificate. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from gateway_auth.cli.checks import Check, check_port
from gateway_auth.config import Configuration
from gateway_auth.errors import CannotServe, ConfigError
from gateway_auth.server.sockets import refuse_taken_socket
from gateway_auth.server.tls_files import read_tls

SOON_DAYS = 21
"""Certificates that renew themselves do so a third before their end: with fewer days left of 90 something is stuck."""


def check_listener(configuration: Configuration) -> Iterator[Check]:
    """Whether `serve` could listen, and how long its certificate lasts."""
    if configuration.socket is None:
        yield check_port(configuration)
    else:
        yield _check_socket(configuration.socket.path)
    if configuration.tls is not None:
        yield from _check_tls(configuration)


def _check_socket(path: str) -> Check:
    try:
        refuse_taken_socket(path)
    except CannotServe as error:
        is_served = "in use" in str(error)
        words = f"somebody answers on unix:{path}" if is_served else str(error)
        return Check("socket", "ok" if is_served else "failed", words)
    directory = os.path.dirname(path)
    if not os.access(directory, os.W_OK | os.X_OK):
        return Check("socket", "failed", f"unix:{path} cannot be made by this user: {directory} is not its to write")
    return Check("socket", "ok", f"unix:{path} is free")


def _check_tls(configuration: Configuration) -> Iterator[Check]:
    if configuration.tls is None:
        return
    try:
        files = read_tls(configuration.tls)
    except ConfigError as error:
        for problem in error.problems:
            yield Check("certificate", "failed", str(problem))
        return
    days = (files.ends - datetime.now(UTC)).days
    names = ", ".join(files.names[:8]) or "no name at all"
    words = f"for {names}; {days} days left, until {files.ends:%Y-%m-%d}"
    yield Check("certificate", "warning" if days < SOON_DAYS else "ok", words)
