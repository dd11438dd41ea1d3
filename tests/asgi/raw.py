"""Calls an ASGI app as a server would, message by message: nothing is added, decoded or followed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

Pairs = Iterable[tuple[str, str]]
ABSENT = object()
"""As the value of a scope's key: the key is not there."""


def http_scope(
    method: str = "GET", path: str = "/", headers: Pairs = (), *, query: str = "", **changes: Any
) -> dict[str, Any]:
    """An HTTP scope; `path` as the client spells it. A Host is added unless one is given."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if not any(name.lower() == b"host" for name, _ in pairs):
        pairs.insert(0, (b"host", b"api.test"))
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "root_path": "",
        "query_string": query.encode("latin-1"),
        "headers": pairs,
        "client": ("192.0.2.7", 50000),
        "server": ("127.0.0.1", 8000),
        "extensions": {},
    }
    return _changed(scope, changes)


def websocket_scope(path: str = "/", headers: Pairs = (), **changes: Any) -> dict[str, Any]:
    """A WebSocket scope, of a server that cannot send an HTTP answer in its place."""
    scope = http_scope("GET", path, headers) | {"type": "websocket", "scheme": "ws", "subprotocols": []}
    del scope["method"]
    return _changed(scope, changes)


def _changed(scope: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**scope, **changes}.items() if value is not ABSENT}


@dataclass
class Answer:
    """Everything the app sent."""

    messages: list[Message] = field(default_factory=list)

    @property
    def start(self) -> Message:
        """The one message that begins an HTTP answer."""
        (message,) = [m for m in self.messages if m["type"] in ("http.response.start", "websocket.http.response.start")]
        return message

    @property
    def status(self) -> int:
        status = self.start["status"]
        assert isinstance(status, int)
        return status

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"].endswith("response.body"))

    @property
    def problem(self) -> dict[str, Any]:
        """The problem+json body, checked for the form every refusal has."""
        members = json.loads(self.body)
        assert self.only("content-type") == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "request_id"} <= members.keys()
        assert members["status"] == self.status
        assert members["request_id"] == self.only("x-request-id")
        assert self.only("content-length") == str(len(self.body))
        assert self.only("cache-control") == "no-store"
        assert isinstance(members, dict)
        return members

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code."""
        return self.status, str(self.problem["code"])

    def values(self, name: str) -> list[str]:
        """All values of a header, whatever the case of its name."""
        return [v.decode("latin-1") for n, v in self.start.get("headers", ()) if n.lower() == name.encode()]

    def only(self, name: str) -> str:
        """The value of a header that is there exactly once."""
        (value,) = self.values(name)
        return value


async def call(app: ASGIApp, scope: Scope, *body: bytes) -> Answer:
    """One request whose body comes in these pieces; whatever the app raises is raised."""
    answer = Answer()
    pieces = list(body) or [b""]
    incoming = [{"type": "http.request", "body": b, "more_body": n < len(pieces)} for n, b in enumerate(pieces, 1)]

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    await app(scope, receive, _collect(answer))
    return answer


async def get(app: ASGIApp, path: str = "/", key: str | None = None, headers: Pairs = (), **changes: Any) -> Answer:
    """GET, with an API key if one is given."""
    credentials = [("x-api-key", key)] if key is not None else []
    return await call(app, http_scope("GET", path, [*credentials, *headers], **changes))


async def connect(app: ASGIApp, scope: Scope, *texts: str) -> Answer:
    """One WebSocket connection of a client that sends these texts and leaves."""
    answer = Answer()
    incoming: list[Message] = [{"type": "websocket.connect"}]
    incoming += [{"type": "websocket.receive", "text": text} for text in texts]

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1000}

    await app(scope, receive, _collect(answer))
    return answer


def _collect(answer: Answer) -> Any:
    async def send(message: Message) -> None:
        answer.messages.append(message)

    return send


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """The app between start and stop; raises RuntimeError with the app's message where it fails to do either."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.ensure_future(_run(app, scope, incoming, outgoing))
    try:
        for phase in ("startup", "shutdown"):
            await incoming.put({"type": f"lifespan.{phase}"})
            message = await asyncio.wait_for(outgoing.get(), 10)
            if message["type"] != f"lifespan.{phase}.complete":
                raise RuntimeError(message.get("message", message["type"]))
            if phase == "startup":
                yield state
        await asyncio.wait_for(task, 10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _run(app: ASGIApp, scope: Scope, incoming: asyncio.Queue[Message], outgoing: asyncio.Queue[Message]) -> None:
    """An app that ends without a word has, to a server, no lifespan."""
    try:
        await app(scope, incoming.get, outgoing.put)
    except Exception as error:  # noqa: BLE001  # any exception at all means this to a server
        await outgoing.put({"type": "ended", "message": f"the app has no lifespan: {error!r}"})
    else:
        await outgoing.put({"type": "ended", "message": "the app has no lifespan"})
