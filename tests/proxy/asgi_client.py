"""Calls the proxy as an ASGI server would, with a request the middleware has judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message, Scope, Send

from gateway_auth.core.upstream import Upstream, UpstreamLimits
from gateway_auth.proxy import ProxyApp, parse_upstream

STATUS = {"malformed_request": 400, "upstream_unavailable": 502, "upstream_timeout": 504}

QUICK = UpstreamLimits(connect_timeout_seconds=0.3, response_timeout_seconds=0.3, idle_timeout_seconds=0.5)
TICK_SECONDS = 0.02


VIA = (b"via", b"1.1 gateway-auth")


def without_via(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields of a response but ours, which has to be there."""
    rest = list(headers)
    rest.remove(VIA)
    return rest


@dataclass
class Judged:
    """What the middleware leaves in the scope."""

    upstream: str | None = None
    timeout_seconds: float | None = None
    client_address: str | None = "192.0.2.7"
    request_id: str = "req-1"


async def respond(send: Send, code: str, request_id: str) -> None:
    """Stands in for the answer the gateway gives."""
    body = f"{code} {request_id}".encode()
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": STATUS[code], "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def proxy(
    url: str | None, limits: UpstreamLimits | None = None, *, max_message_bytes: int = 10_485_760, **fields: Any
) -> ProxyApp:
    """A proxy in front of one server."""
    if url:
        return balanced([url], limits, max_message_bytes=max_message_bytes, **fields)
    return ProxyApp(None, respond=respond, tick_seconds=TICK_SECONDS)


def balanced(
    urls: list[str], limits: UpstreamLimits | None = None, *, max_message_bytes: int = 10_485_760, **fields: Any
) -> ProxyApp:
    """A proxy in front of a group of servers."""
    servers = tuple(parse_upstream(url).servers[0] for url in urls)
    upstream = Upstream(name="group", servers=servers, limits=limits or UpstreamLimits(), **fields)
    return ProxyApp(upstream, respond=respond, tick_seconds=TICK_SECONDS, max_message_bytes=max_message_bytes)


def scope_of(
    method: str = "GET",
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    *,
    query: str = "",
    version: str = "1.1",
    judged: Judged | None = None,
) -> Scope:
    """An HTTP scope; a Host is added unless one is given."""
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    if not any(name == b"host" for name, _ in pairs):
        pairs.insert(0, (b"host", b"api.test"))
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "http_version": version,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": pairs,
        "client": ("192.0.2.7", 5000),
        "gateway_auth": judged or Judged(),
    }


@dataclass
class Client:
    """One request in progress: feed it `pieces`, `leave`, look at what was answered."""

    pieces: list[bytes] = field(default_factory=list)
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body_bytes: int = 0
    chunks: list[bytes] = field(default_factory=list)
    is_complete: bool = False
    may_take: asyncio.Event = field(default_factory=asyncio.Event)
    has_left: asyncio.Event = field(default_factory=asyncio.Event)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    is_endless: bool = False
    receives: int = 0

    def __post_init__(self) -> None:
        self.may_take.set()

    async def receive(self) -> Message:
        """Pieces one by one, then the disconnect, once there is one."""
        self.receives += 1
        await asyncio.sleep(0)
        if self.pieces:
            body = self.pieces.pop(0)
            return {
                "type": "http.request",
                "body": body,
                "more_body": bool(self.pieces) or self.is_endless,
            }
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Collects; waits while `may_take` is clear, as a server with a slow client does."""
        await self.may_take.wait()
        assert not self.is_complete, "a message after the end"
        if message["type"] == "http.response.start":
            assert self.status == 0, "two heads"
            self.status = message["status"]
            self.headers = list(message["headers"])
        else:
            assert self.status, "a body before the head"
            self.body_bytes += len(message["body"])
            self.chunks.append(message["body"])
            self.is_complete = not message["more_body"]
        self.more.set()

    @property
    def body(self) -> bytes:
        """All of the body so far."""
        return b"".join(self.chunks)

    def values(self, name: str) -> list[bytes]:
        """All values of a response field, in order."""
        return [value for key, value in self.headers if key == name.encode()]


async def ask(
    app: ProxyApp,
    method: str = "GET",
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    *,
    pieces: Iterable[bytes] = (b"",),
    query: str = "",
    version: str = "1.1",
    judged: Judged | None = None,
) -> Client:
    """One request from beginning to end."""
    client = Client(pieces=list(pieces))
    scope = scope_of(method, path, headers, query=query, version=version, judged=judged)
    await asyncio.wait_for(app(scope, client.receive, client.send), 10)
    return client


async def until(fact: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something other tasks bring about."""
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 - the fact is another process's or a socket's
            await asyncio.sleep(0.005)
