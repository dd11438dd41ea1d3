"""What the proxy that asks is answered: 200 with the identity, or the refusal as any client gets it."""

from __future__ import annotations

from collections.abc import Awaitable

from gateway_auth.asgi.exchange import Exchange
from gateway_auth.asgi.passage import kept_credentials
from gateway_auth.asgi.respond import POLICY_VIOLATION, joined
from gateway_auth.asgi.types import SCOPE_KEY, ASGIApp, Header, Message, Receive, Scope, Send
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.forward_auth.original import ASKED

PROBLEM_HEADER = b"x-gateway-problem"
MAX_PROBLEM_BYTES = 3072
"""Proxies hold the head of an answer in a buffer, of 4 KiB at the least."""

_PROBLEM = (b"content-type", b"application/problem+json")
_AS_THEY_ARE = frozenset(("http.response.start", "http.response.body"))
_GO_ON = ((b"content-length", b"0"), (b"cache-control", b"no-store"))


async def _nothing() -> None:
    return None


class Answering:
    """The app behind the middleware where proxies may ask: answers what they ask, hands the rest to `app`.

    Without an `app` the rest is refused: there is nowhere to forward to.
    """

    def __init__(self, app: ASGIApp | None = None) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What an ASGI app does, without a step of its own for requests that are forwarded."""
        if ASKED in scope:
            return _let_pass(scope, send)
        return self._app(scope, receive, send) if self._app is not None else _refuse(scope)


async def _refuse(scope: Scope) -> None:
    """The middleware sends what is set here; the lifespan it takes part in by itself."""
    if scope["type"] != "lifespan":
        scope[SCOPE_KEY].denial = Deny(
            Reason.NO_MATCHING_ROUTE, detail="This gateway only answers proxies that ask it."
        )


async def _let_pass(scope: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": permission(scope[SCOPE_KEY])})
    await send({"type": "http.response.body", "body": b""})


def permission(exchange: Exchange) -> list[Header]:
    """What the request behind would carry: the identity, and credentials where the route lets them go on.

    The middleware adds request id and RateLimit fields.
    """
    return [*exchange.principal.identity_headers, *kept_credentials(exchange), *_GO_ON]


class Answer:
    """`send` for one question: whatever the original request was, the answer is one to the proxy's own request."""

    __slots__ = ("_body", "_is_http", "_needs_problem_header", "_scope", "_send", "_start")

    def __init__(self, scope: Scope, send: Send, *, needs_problem_header: bool) -> None:
        self._scope = scope
        self._send = send
        self._is_http = scope["type"] == "http"
        self._needs_problem_header = needs_problem_header
        self._start: Message | None = None
        self._body = b""

    def send(self, message: Message) -> Awaitable[None]:
        """Takes the answer's messages. The beginning of a refusal waits for its body, which is short."""
        kind: str = message["type"]
        if self._is_http and self._start is None and kind in _AS_THEY_ARE and message.get("status", 200) == 200:
            return self._send(message)
        if kind.endswith("http.response.start"):
            self._start = message
        elif kind.endswith("http.response.body"):
            self._body += message.get("body", b"")
            if self._start is not None and not message.get("more_body", False):
                return self._finish(self._start)
        return _nothing()

    async def _finish(self, begun: Message) -> None:
        headers: list[Header] = list(begun["headers"])
        if self._needs_problem_header and _PROBLEM in headers and len(self._body) <= MAX_PROBLEM_BYTES:
            headers.append((PROBLEM_HEADER, self._body))
        prefix = ""
        if not self._is_http:
            if "websocket.http.response" not in (self._scope.get("extensions") or {}):
                # The server can say no and nothing else.
                await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})
                return
            prefix, headers = "websocket.", joined(headers)
        start = {"type": f"{prefix}http.response.start", "status": begun["status"], "headers": headers}
        await self._send(start)
        await self._send({"type": f"{prefix}http.response.body", "body": self._body})
