"""Answers to those who watch over the gateway: is it alive, can it serve. Without credentials, and telling no more."""

from __future__ import annotations

from collections.abc import Callable

from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.respond import refuse_websocket
from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.core.condition import ALIVE, Condition
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.outcome import deny_outcome

_METHODS = ("GET", "HEAD")
_NO_WEBSOCKET = Deny(Reason.REQUEST_NOT_ALLOWED, detail="No WebSocket is accepted here.")


def probe(condition_of: Callable[[], Condition]) -> ASGIApp:
    """The app of one probe: GET or HEAD, else 405; no WebSocket."""

    next_id = request_ids()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            outcome = deny_outcome(_NO_WEBSOCKET, "", next_id()[1].decode("ascii"))
            await refuse_websocket(scope, send, outcome, _NO_WEBSOCKET.reason)
            return
        is_asked = scope["method"] in _METHODS
        condition = condition_of() if is_asked else ALIVE
        body = condition.body if is_asked else b""
        headers = [next_id(), (b"cache-control", b"no-store"), (b"content-length", b"%d" % len(body))]
        headers += [(b"content-type", b"application/json")] if is_asked else [(b"allow", b"GET, HEAD")]
        await send({"type": "http.response.start", "status": condition.status if is_asked else 405, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})

    return answer


def alive() -> Condition:
    """Who answers lives."""
    return ALIVE
