"""`Http1`: for uvicorn, HTTP/1.1 as `gateway-auth serve` reads it. Loads uvicorn and httptools.

    uvicorn app:app --no-proxy-headers --http gateway_auth.uvicorn:Http1

What uvicorn's own protocols read on from, or cut, is refused (RFC 9112); slow and greedy clients are bounded.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextvars import Context, copy_context
from typing import Any, cast
from urllib.parse import quote, unquote

from uvicorn import Config
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string
from uvicorn.server import ServerState

from gateway_auth.asgi.fields import FieldList, Fields
from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.core.redaction import redacted
from gateway_auth.server.http1 import ClientConnection, Connections
from gateway_auth.server.http1.cycle import Cycle
from gateway_auth.server.refusals import Refusals

__all__ = ["Http1"]

access_logger = logging.getLogger("uvicorn.access")


class Http1(ClientConnection):
    """One connection. uvicorn's options that concern it hold: root path, headers, access log, limits, WebSockets.

    Unlike uvicorn's own it waits 65 s for a next request where `--timeout-keep-alive` says less, and always sends Date.
    """

    __slots__ = ()

    has_task_each = True
    _site: _Server

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        server = _servers.get(server_state)
        if server is None:
            server = _servers[server_state] = _Server(config, server_state)
        server.app_state = app_state
        server.begin(config, server_state, _loop or asyncio.get_running_loop())
        super().__init__(server)

    def on_request(self, scope: Scope) -> None:
        """A request has a copy of what the lifespan left, and the path from where the app is mounted outside."""
        scope["state"] = self._site.app_state.copy()
        fields = scope["headers"]
        if type(fields) is Fields:
            scope["headers"] = headers = FieldList(fields)
            headers.fields = fields
        if root := scope["root_path"]:
            scope["path"] = root + scope["path"]
            scope["raw_path"] = root.encode() + scope["raw_path"]
        ClientConnection.on_request(self, scope)  # by name: `super()` looks it up anew for each request

    def _proceed(self, cycle: Cycle) -> None:
        self._site.answered(cycle)
        ClientConnection._proceed(self, cycle)  # as above


class _Server(Connections):
    """What the connections of one uvicorn server have in common."""

    def __init__(self, config: Config, server_state: ServerState) -> None:
        if not config.loaded:
            config.load()
        refusals = Refusals()
        super().__init__(
            _bounded(config, server_state),
            max_connections=sys.maxsize,
            refusal=refusals.refusal,
            failure=refusals.failure,
        )
        self.has_websocket = config.ws_protocol_class is not None
        self.own_lines = tuple(b"%b: %b" % header for header in config.encoded_headers)
        self._root_path = config.root_path
        self.idle_seconds = max(self.idle_seconds, config.timeout_keep_alive)
        self._is_logged = access_logger.hasHandlers()
        self._context = Context() if config.reset_contextvars else copy_context()

    def facts(self, transport: asyncio.Transport) -> dict[str, Any]:
        """With where the app is mounted outside."""
        return super().facts(transport) | {"root_path": self._root_path}

    def context(self) -> Context:
        """One that no other request has left anything in, also where it is waited for behind another."""
        return self._context.copy()

    def answered(self, cycle: Cycle) -> None:
        """Count a request for `--limit-max-requests`, and say it in the access log. A secret in a query is not said."""
        self.state.total_requests += 1
        if self._is_logged and cycle.status:
            scope: Any = cycle.scope
            access_logger.info(
                '%s - "%s %s HTTP/%s" %d',
                get_client_addr(scope),
                scope["method"],
                _without_secrets(get_path_with_query_string(scope)),
                scope["http_version"],
                cycle.status,
            )


_servers: dict[ServerState, _Server] = {}
"""Of this process, which they last as long as."""


def _without_secrets(target: str) -> str:
    """As the client wrote it, where nothing in it looks like a secret, percent-encoded or not."""
    plain = unquote(target)
    shown = redacted(plain)
    return target if shown == plain else quote(shown, safe="/?&=[]")


def _bounded(config: Config, state: ServerState) -> ASGIApp:
    """The app, or 503 where `--limit-concurrency` says so."""
    app, limit = cast(ASGIApp, config.loaded_app), config.limit_concurrency
    if limit is None:
        return app
    busy = cast(ASGIApp, service_unavailable)

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        # This request is one of the tasks already.
        is_full = len(state.connections) >= limit or len(state.tasks) > limit
        await (busy if is_full else app)(scope, receive, send)

    return bounded
