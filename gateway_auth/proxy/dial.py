"""How one server is reached: TCP, TLS over it, or a unix socket. The one place where connections are opened.

Must not know what they are for.
"""

from __future__ import annotations

import asyncio
import ssl

from gateway_auth.core.upstream import Server, is_metadata_host
from gateway_auth.proxy.failures import NotConnected, NotConnectedInTime

# A peer that does not answer the end of TLS holds its socket no longer than this.
_TLS_SHUTDOWN_SECONDS = 1.0


class Dialler:
    """Opens connections to one server. `context` is needed where the server speaks TLS."""

    __slots__ = ("_context", "_loop", "_may_be_metadata", "_server_name", "server")

    def __init__(
        self,
        server: Server,
        loop: asyncio.AbstractEventLoop,
        *,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
        may_be_metadata: bool = False,
    ) -> None:
        if server.is_tls and context is None:
            raise ValueError(f"{server.url} needs a TLS context")
        self.server = server
        self._loop = loop
        self._context = context if server.is_tls else None
        self._server_name = (server_name or server.host).rstrip(".") if server.is_tls else None
        self._may_be_metadata = may_be_metadata

    async def open(self, protocol: asyncio.Protocol, timeout_seconds: float) -> None:
        """Connect `protocol`, handshakes included. Raises `NotConnected` or `NotConnectedInTime`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                transport = await self._open(protocol)
        except TimeoutError:
            raise NotConnectedInTime(f"{self.server.url}: no connection in time") from None
        except OSError as error:  # of TLS and certificates too
            raise NotConnected(f"{self.server.url}: {error}") from error
        self._refuse_metadata(transport)

    async def _open(self, protocol: asyncio.Protocol) -> asyncio.BaseTransport:
        server = self.server
        if server.socket_path:
            transport, _ = await self._loop.create_unix_connection(lambda: protocol, server.socket_path)
            return transport
        if self._context is None:
            transport, _ = await self._loop.create_connection(lambda: protocol, server.host, server.port)
            return transport
        transport, _ = await self._loop.create_connection(
            lambda: protocol,
            server.host,
            server.port,
            ssl=self._context,
            server_hostname=self._server_name,
            ssl_shutdown_timeout=_TLS_SHUTDOWN_SECONDS,
        )
        return transport

    def _refuse_metadata(self, transport: asyncio.BaseTransport) -> None:
        """A name may be made to resolve to what its owner must not reach (attack P06)."""
        if self._may_be_metadata or self.server.socket_path:
            return
        peer = transport.get_extra_info("peername")
        if peer and is_metadata_host(str(peer[0])):
            _abort(transport)
            raise NotConnected(f"{self.server.url}: resolves to {peer[0]}, a link-local or metadata address: refused")


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    else:
        transport.close()
