"""Whatever a server hands over: one answer, no exception, and nothing behind without the right decision."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import unquote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Scope

from gateway_auth import Exchange, GatewayAuth
from tests.asgi.raw import ABSENT, Answer, call, connect, http_scope, lifespan, websocket_scope
from tests.asgi.world import Echo, Site

ROUTES: dict[str, dict[str, Any]] = {
    "public": {"path": "/public", "access": "public"},
    "optional": {"path": "/optional", "access": "optional"},
    "known": {"path": "/known"},
    "export": {"path": "/orders:export", "scopes": ["orders:export"]},
    "order": {"path": "/orders/{id}", "methods": ["GET"], "scopes": ["orders:read"], "websocket": True},
    "thing": {"path": "/{thing}", "access": "optional"},
}
BY_DECODED_PATH = [
    ("public", r"/public"),
    ("optional", r"/optional"),
    ("known", r"/known"),
    ("export", r"/orders:export"),
    ("order", r"/orders/[^/]+"),
    ("thing", r"/[^/]+"),
]
"""The routes as a framework sees them that knows only the decoded path."""

KINDS = ["reader", "wildcard", "plain", "revoked", "office"]
NAMES = [
    "x-api-key", "X-API-Key", "x_api_key", "authorization", "Authorization", "x-auth-subject", "X_Auth_Roles", "host",
    "x-request-id", "content-length", "transfer-encoding", "x-forwarded-for", "forwarded", "origin", "referer",
    "access-control-request-method", "x-http-method-override", "x-user-id", "x-original-url", "cookie", "", " ", "é",
]  # fmt: skip
PIECES = [
    "/", "public", "known", "orders", ":", "%3A", "export", "1", "..", ".", "%2e", "%2f", "%", "%25", ";", "é",
    "%C3%A9", "\\", "%00", "?", "#", "a", "|", "%7C",
]  # fmt: skip
VALUES = [
    "", "{reader}", "Bearer {wildcard}", "ApiKey {plain}", "Bearer {revoked}", "Basic e", "GET", "chunked", "5",
    "api.test", "10.0.0.1", "https://a.example",
]  # fmt: skip

values = st.one_of(st.sampled_from(VALUES), st.text(st.characters(max_codepoint=255), max_size=12))
headers = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=5)
paths = st.one_of(
    st.sampled_from(["/public", "/known", "/optional", "/orders/1", "/orders:export", "/orders%3Aexport", "/thing"]),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "http_version": st.sampled_from(["1.0", "1.1", "2", "3"]),
        "scheme": st.sampled_from(["http", "https", ABSENT]),
        "client": st.sampled_from(
            [None, ("10.0.0.1", 1), ("::1", "1"), ["fe80::1%eth0", 0], ("", 0), ("unix:", 0), ABSENT]
        ),
        "raw_path": st.sampled_from([ABSENT, None, b"", b"/public", b"/known", b"\xff"]),
        "root_path": st.sampled_from(["", "/", "/orders", "/public", "/a b", "/é", ABSENT]),
        "query_string": st.sampled_from([b"", b"a=1", b"gwk_live_", b"%ff", b"\xff", ABSENT]),
        "extensions": st.sampled_from([{}, None, {"websocket.http.response": {}}, ABSENT]),
    },
)
methods = st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS", "TRACE", "get", "QUERY", ""])
requests = st.tuples(st.sampled_from(["http", "http", "websocket"]), methods, paths, headers, changes)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(requests, min_size=1, max_size=30))
def test_every_request_is_decided_by_the_route_the_app_will_see(site: Site, batch: list[Any]) -> None:
    asyncio.run(send_all(site, batch))


async def send_all(site: Site, batch: list[Any]) -> None:
    app = Echo()
    gateway = GatewayAuth(app, config=site.config([{"id": name, **table} for name, table in ROUTES.items()]))
    async with lifespan(gateway):
        for kind, method, path, pairs, changed in batch:
            app.scopes.clear()
            filled = [(name, fill(value, site)) for name, value in pairs]
            scope = http_scope(method, path, filled) if kind == "http" else websocket_scope(path, filled)
            scope = {name: value for name, value in (scope | changed).items() if value is not ABSENT}
            answer = await (call if kind == "http" else connect)(gateway, scope)
            check_answer(kind, answer)
            for reached in app.scopes:
                check_reached(reached, site, answered(kind, answer))


def fill(value: str, site: Site) -> str:
    for kind in KINDS:
        value = value.replace("{" + kind + "}", site.keys[kind])
    return value


def check_answer(kind: str, answer: Answer) -> None:
    types = [message["type"] for message in answer.messages]
    if kind == "websocket" and "websocket.http.response.start" not in types:
        assert types in (["websocket.accept"], ["websocket.close"])
    else:
        assert answer.status in (200, 400, 401, 403, 413, 429)
        assert len(answer.values("x-request-id")) == 1
        assert answer.status == 200 or answer.problem


def answered(kind: str, answer: Answer) -> bool:
    return kind == "websocket" or answer.status == 200


def check_reached(scope: Scope, site: Site, is_answered: bool) -> None:
    assert is_answered
    exchange = scope["gateway_auth"]
    assert isinstance(exchange, Exchange)
    assert scope["user"] is exchange.principal
    assert exchange.decision.policy.id == route_of(scope)
    if route_of(scope) in ("known", "export", "order") and scope.get("method") != "OPTIONS":
        assert scope["user"].is_authenticated
        assert scope["user"].key_id not in (site.ids["revoked"], site.ids["office"])
    names = [name.lower().replace(b"_", b"-").strip() for name, _ in scope["headers"]]
    assert len([name for name in names if name.startswith(b"x-auth-")]) == len(exchange.principal.identity_headers)
    assert not {b"x-api-key", b"x-user-id", b"x-original-url"} & set(names)
    assert names.count(b"x-request-id") == 1
    carried = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    assert not any(text.encode() in value for text in site.keys.values() for value in carried)


def route_of(scope: Scope) -> str | None:
    """By the rule of Starlette: the decoded path below the root path."""
    path, root_path = scope["path"], scope.get("root_path", "")
    if root_path and path.startswith(root_path) and path[len(root_path) :][:1] in ("", "/"):
        path = path[len(root_path) :] or "/"
    assert unquote(scope["raw_path"].decode()) == scope["path"]
    return next((name for name, pattern in BY_DECODED_PATH if re.fullmatch(pattern, path)), None)
