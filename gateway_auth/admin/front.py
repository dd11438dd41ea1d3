"""What every request to the admin plane passes first, whatever it is for: a name of ours, sizes, an id, safe headers.

Names: a page elsewhere that has its own name point to this machine (DNS rebinding) is answered nothing, because its
browser sends that name as Host.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

from starlette.requests import Request

from gateway_auth.admin.counts import Counts
from gateway_auth.admin.problems import Refusal, problem_response
from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.types import ASGIApp, Header, Message, Receive, Scope, Send

MAX_TARGET_BYTES = 8192
MAX_HEADER_BYTES = 16384
MAX_FIELDS = 100

_DENIAL = "websocket.http.response"
"""The extension of ASGI by which a server lets an upgrade be answered in words."""
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::[0-9]{1,5})?")
_ALWAYS: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class Front:
    """Around the whole app. `hosts` are names it may be called by, besides addresses and `localhost`."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], counts: Counts) -> None:
        self._app = app
        self._hosts = hosts | {"localhost"}
        self._counts = counts
        self._next_id: Callable[[], Header] = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lifespan events go through; WebSockets are refused, for there are none here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket" and _DENIAL not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        request_id = self._next_id()
        scope["gateway_auth.request_id"] = request_id[1].decode("ascii")

        async def answer(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                given = list(message.get("headers", []))
                names = {name.lower() for name, _ in given}
                given += [header for header in _ALWAYS if header[0] not in names]
                message["headers"] = [*given, request_id]
                self._counts.note(str(scope.get("gateway_auth.operation", "none")), int(message["status"]))
            await send(message)

        refusal = self._refusal(scope)
        app = problem_response(refusal, scope["gateway_auth.request_id"]) if refusal is not None else self._app
        await app(scope, receive, answer)

    def _refusal(self, scope: Scope) -> Refusal | None:
        """Why the request is answered before anything looks at it."""
        headers: list[Header] = scope["headers"]
        if len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            return Refusal("uri_too_long")
        if len(headers) > MAX_FIELDS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            return Refusal("header_too_large")
        named = [value for name, value in headers if name == b"host"]
        if len(named) != 1:
            return Refusal("malformed_request", "There must be exactly one Host header.")
        if not self._is_ours(named[0].decode("latin-1")):
            return Refusal("misdirected_request")
        return Refusal("not_found", "There are no WebSockets here.") if scope["type"] == "websocket" else None

    def _is_ours(self, authority: str) -> bool:
        match = _AUTHORITY.fullmatch(authority.lower())
        if match is None:
            return False
        if (match[2] or "").rstrip(".") in self._hosts:
            return True
        try:
            ip_address(match[1] or match[2])
        except ValueError:
            return False
        return True


def request_id_of(request: Request) -> str:
    """The id every answer carries."""
    return str(request.scope["gateway_auth.request_id"])
