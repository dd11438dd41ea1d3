"""HTTP/1.1 towards clients: protocols for an event loop that call an ASGI app. Knows nothing of gateways."""

from __future__ import annotations

from gateway_auth.server.http1.connection import ClientConnection
from gateway_auth.server.http1.connections import Connections

__all__ = ["ClientConnection", "Connections"]
