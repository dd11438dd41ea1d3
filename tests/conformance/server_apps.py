"""The applications servers load in their own processes: one around a recorder, one in front of an upstream."""

from __future__ import annotations

import os
from pathlib import Path

from gateway_auth import GatewayAuth
from gateway_auth.asgi.respond import send_problem
from gateway_auth.asgi.types import SCOPE_KEY, Receive, Scope, Send
from gateway_auth.config import load
from gateway_auth.proxy import ProxyApp, parse_upstream
from tests.conformance.record import Record
from tests.conformance.upstream import BODY

CONFIG = "CONFORMANCE_CONFIG"
RECORDS = "CONFORMANCE_RECORDS"


class Recorder:
    """Writes every whole request down, one line each, before it answers."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HTTP and WebSocket; the lifespan has nothing to do."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            self._write(scope, "GET", b"")
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                # The body broke off or could not be read; some servers still take an answer.
                await _answer(send, 400, b"")
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self._write(scope, scope["method"], body)
        await _answer(send, 200, b"" if scope["method"] == "HEAD" else BODY)

    def _write(self, scope: Scope, method: str, body: bytes) -> None:
        query = scope["query_string"]
        exchange = scope[SCOPE_KEY]
        record = Record(
            method=method,
            target=scope["raw_path"] + (b"?" + query if query else b""),
            fields=tuple(scope["headers"]),
            body=body,
            path=scope["path"],
            route=exchange.decision.policy.id,
            client=exchange.client_address,
        )
        os.write(self._file, record.to_json())


async def _answer(send: Send, status: int, body: bytes) -> None:
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY if status == 200 else b""))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def mounted() -> GatewayAuth:
    """The middleware around a recorder."""
    return GatewayAuth(Recorder(Path(os.environ[RECORDS])), config=os.environ[CONFIG])


def proxied() -> GatewayAuth:
    """The middleware around the proxy, as the standalone gateway puts it together."""
    upstream = load(os.environ[CONFIG]).default_upstream
    assert upstream is not None
    return GatewayAuth(ProxyApp(parse_upstream(upstream), respond=send_problem), config=os.environ[CONFIG])
