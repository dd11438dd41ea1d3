"""Decides the opening handshake of a WebSocket towards an upstream (RFC 6455 section 4.1), and what its answer means.

Knows no client. The fields are those any request forwards, cleaned by the same code; what concerns one connection
alone – the key, the version, extensions – is our own.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from starlette.types import Scope
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.http11 import Request
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from gateway_auth.proxy.balancer import Balancer
from gateway_auth.proxy.failures import HandshakeRefused, RequestRefused, UpstreamTimeout, UpstreamUnavailable
from gateway_auth.proxy.request import NO_BODY, Addressee, request_head

PING_SECONDS = 20.0
"""Between pings towards an upstream; one that answers none for as long again is gone."""
HANDSHAKE_SECONDS = 10.0
"""From the request to open a WebSocket to the upstream's answer."""
CLOSE_SECONDS = 5.0
"""For an upstream to answer our close, before the connection is dropped under it."""
QUEUED_FRAMES = 4
WRITE_BUFFER_BYTES = 65_536
MAX_SUBPROTOCOLS = 32

_PREFIX = b"sec-websocket-"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")

# Never more than INFO: the library's debug lines hold whole frames, and identity headers.
_logger = logging.getLogger("gateway_auth.proxy.frames")
_logger.setLevel(logging.INFO)


class Handshake(ClientProtocol):
    """What is sent to open a WebSocket, and then its protocol. Raises `RequestRefused` for what cannot be sent."""

    def __init__(
        self, scope: Scope, client_address: str | None, addressee: Addressee, *, max_message_bytes: int
    ) -> None:
        self._target, self._fields = _cleaned(scope, client_address, addressee)
        super().__init__(
            WebSocketURI(False, "unused", 80, "/", ""),
            subprotocols=_subprotocols(scope),
            max_size=max_message_bytes,
            logger=_logger,
        )

    def connect(self) -> Request:
        """The request, in place of the library's own."""
        headers = Headers(self._fields)
        headers["connection"] = "Upgrade"
        headers["upgrade"] = "websocket"
        headers["sec-websocket-key"] = self.key
        headers["sec-websocket-version"] = "13"
        if self.available_subprotocols:
            headers["sec-websocket-protocol"] = ", ".join(self.available_subprotocols)
        return Request(self._target, headers)


async def open_websocket(balancer: Balancer, handshake: Handshake) -> ClientConnection:
    """An open connection. Raises `HandshakeRefused` with the upstream's answer, or another `ExchangeFailed`."""
    connection = await balancer.dial(lambda on_lost: _Connection(handshake, on_lost))
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await connection.handshake(user_agent_header=None)
    except BaseException as error:
        connection.transport.abort()
        if isinstance(error, TimeoutError):
            raise UpstreamTimeout("no answer to the handshake of a WebSocket in time") from None
        if isinstance(error, InvalidStatus):
            answer = error.response
            fields = [(name.lower(), value) for name, value in answer.headers.raw_items()]
            raise HandshakeRefused(answer.status_code, fields, bytes(answer.body or b"")) from None
        if isinstance(error, (WebSocketException, OSError, EOFError)):
            raise UpstreamUnavailable(f"the handshake of a WebSocket: {error}") from error
        raise
    connection.start_keepalive()
    return connection


class _Connection(ClientConnection):
    """Tells the pool when it is over."""

    def __init__(self, handshake: Handshake, on_lost: Callable[[], None]) -> None:
        super().__init__(
            handshake,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            close_timeout=CLOSE_SECONDS,
            max_queue=QUEUED_FRAMES,
            write_limit=WRITE_BUFFER_BYTES,
        )
        self._on_lost = on_lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed by either side."""
        super().connection_lost(exc)
        self._on_lost()


def _cleaned(scope: Scope, client_address: str | None, addressee: Addressee) -> tuple[str, list[tuple[str, str]]]:
    """Target and fields as any request of this scope would carry them."""
    scheme = "https" if scope["scheme"] in ("wss", "https") else "http"
    fields = [field for field in scope["headers"] if not field[0].replace(b"_", b"-").startswith(_PREFIX)]
    as_request = {**scope, "method": "GET", "scheme": scheme, "headers": fields}
    head = request_head(as_request, client_address, addressee)
    if head.body_bytes != NO_BODY:
        raise RequestRefused("a WebSocket handshake with a body")
    line, *lines = head.data[:-4].decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return line.split(" ")[1], [(name, value) for name, _, value in pairs]


def _subprotocols(scope: Scope) -> list[Subprotocol] | None:
    """Those the client offers; the upstream may choose one of them and no other."""
    offered = list(dict.fromkeys(scope.get("subprotocols") or ()))
    if len(offered) > MAX_SUBPROTOCOLS or not all(map(_TOKEN.fullmatch, offered)):
        raise RequestRefused("subprotocols that are no tokens, or too many")
    return [Subprotocol(name) for name in offered] or None
