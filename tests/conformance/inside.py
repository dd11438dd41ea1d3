"""The gateway without a server: the same scopes a server would make, with any peer, and the engine itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gateway_auth import GatewayAuth
from gateway_auth.asgi.scope import ScopeReader
from gateway_auth.asgi.types import SCOPE_KEY, Receive, Scope, Send
from gateway_auth.bootstrap import open_gateway
from gateway_auth.core.decision import Decision, Deny, Reason
from gateway_auth.core.malformed import Malformed
from tests.conformance.wire import Answer

Message = MutableMapping[str, Any]


def scope_of(
    method: str, target: bytes, fields: list[tuple[str, bytes]], peer: str | None, *, host: bytes | None = b"api.test"
) -> Scope:
    """What a server makes of a request. `peer` None is a unix socket."""
    path, _, query = target.partition(b"?")
    headers = [(name.lower().encode(), value) for name, value in fields]
    if host is not None and not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", host))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": None if peer is None else (peer, 50000),
        "server": ("127.0.0.1", 8080),
    }


class Seen:
    """An app that notes whom it was told a request comes from."""

    def __init__(self) -> None:
        self.clients: list[str | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every request is fine."""
        self.clients.append(scope[SCOPE_KEY].client_address)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Inside:
    """A middleware around `Seen` and an engine of its own, on an event loop that runs only while one is asked."""

    def __init__(self, runner: asyncio.Runner, config: Path) -> None:
        self._runner = runner
        self._seen = Seen()
        self._app = GatewayAuth(self._seen, config=str(config))
        self._gateway = runner.run(open_gateway(str(config)))
        self._read = ScopeReader(self._gateway.engine.rules).read

    def ask(self, scope: Scope) -> tuple[Answer, list[str | None]]:
        """The middleware's answer, and the client addresses the app behind was told."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        self._seen.clients.clear()
        self._runner.run(self._call(scope, receive, send))
        fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"])
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], fields, body), list(self._seen.clients)

    def decide(self, scope: Scope) -> Decision:
        """What the engine makes of it."""
        reading = self._read(scope)
        if isinstance(reading, Malformed):
            return Deny(Reason.MALFORMED_REQUEST)
        return self._runner.run(self._gateway.engine.decide(reading.facts))

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Stop what was started."""
        self._runner.run(self._app._runtime.stop())
        self._runner.run(self._gateway.close())


@contextmanager
def inside(config: Path) -> Iterator[Inside]:
    """Until the block ends."""
    with asyncio.Runner() as runner:
        opened = Inside(runner, config)
        try:
            yield opened
        finally:
            opened.close()
