"""Sends an answer of our own, over HTTP or instead of a WebSocket. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterable

from gateway_auth.asgi.types import Header, Scope, Send
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.outcome import Outcome, deny_outcome

POLICY_VIOLATION = 1008
"""RFC 6455 section 7.4.1."""


async def send_outcome(send: Send, outcome: Outcome) -> None:
    """Send a complete HTTP answer."""
    await send({"type": "http.response.start", "status": outcome.status, "headers": list(outcome.headers)})
    await send({"type": "http.response.body", "body": outcome.body})


async def send_problem(send: Send, code: str, request_id: str, realm: str = "") -> None:
    """Send the answer of one reason code."""
    await send_outcome(send, deny_outcome(Deny(Reason(code)), realm, request_id))


async def refuse_websocket(scope: Scope, send: Send, outcome: Outcome, reason: str) -> None:
    """Refuse before accept: with the whole answer where the server can carry it, else it becomes a bare 403."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = joined(outcome.headers)
        await send({"type": "websocket.http.response.start", "status": outcome.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": outcome.body})
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})


def joined(headers: Iterable[Header]) -> list[tuple[bytes, bytes]]:
    """Every name once, its values as one list (RFC 9110 section 5.3): Granian 2.8 dies of a name that comes twice."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return list(joined.items())
