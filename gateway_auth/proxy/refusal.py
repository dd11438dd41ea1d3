"""Sends an HTTP answer in place of a WebSocket, where the server can. Knows neither reasons nor upstreams."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Message, Scope, Send

from gateway_auth.proxy.fields import RESPONSE_FIELDS

_POLICY_VIOLATION = 1008
_EXTENSION = "websocket.http.response"


def refusing(scope: Scope, send: Send) -> Send:
    """`send` for the messages of one HTTP answer. A server that cannot carry it answers the handshake with 403."""
    can_answer = _EXTENSION in (scope.get("extensions") or {})

    async def refuse(message: Message) -> None:
        is_start = message["type"] == "http.response.start"
        if can_answer:
            changes: Message = {"type": message["type"].replace("http.response", _EXTENSION)}
            if is_start:
                changes["headers"] = _once(message["headers"])
            await send({**message, **changes})
        elif is_start:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    return refuse


def passable(fields: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """What of an upstream's answer to a handshake goes on to the client: nothing about this one connection."""
    encoded = ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields)
    return [
        (name, value)
        for name, value in encoded
        if name not in RESPONSE_FIELDS and not name.startswith(b"sec-websocket-")
    ]


def _once(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Every name once, its values as one list (RFC 9110 section 5.3): Granian 2.8 dies of a name that comes twice.

    Cookies cannot be listed: the first one counts.
    """
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in joined:
            joined[name] = value
        elif name != b"set-cookie":
            joined[name] += b", " + value
    return list(joined.items())
