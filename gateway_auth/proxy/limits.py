"""How long the proxy waits and how much it holds. Says nothing about who may send a request."""

from __future__ import annotations

import msgspec


class ProxyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one worker process. Times are seconds, measured on a coarse clock.

    Never early, late by up to a tick.
    """

    connect_timeout_seconds: float = 5.0
    """For the TCP handshake, and for waiting for a free connection once `max_connections` are in use."""

    head_timeout_seconds: float = 60.0
    """From the end of the request to the end of the response's head."""

    idle_timeout_seconds: float = 60.0
    """Without a byte of body in either direction.

    A client that does not read counts like a silent upstream.
    """

    keep_alive_seconds: float = 15.0
    """An unused connection is closed after this; keep it below the upstream's own idle timeout."""

    max_connections: int = 256
    """Per upstream."""

    max_waiting: int = 1024
    """Requests that may wait for a connection, per upstream; the next one is refused at once."""

    tick_seconds: float = 0.25
    """Period of the sweep over exchanges in flight; a departed client is noticed within about two of them."""

    handshake_timeout_seconds: float = 10.0
    """From the request to open a WebSocket to the upstream's answer."""

    max_message_bytes: int = 10_485_760
    """Of one WebSocket message, in either direction; a larger one closes the connection with 1009."""
