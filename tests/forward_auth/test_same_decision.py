"""Whatever a client sends, a question about it and the request itself end alike: status, code, challenge, identity."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from gateway_auth import GatewayAuth
from tests.asgi.raw import Answer, call, connect, http_scope, lifespan, websocket_scope
from tests.asgi.world import Echo, Site
from tests.forward_auth.asking import CLIENT, PROXIES, asked
from tests.forward_auth.conftest import MORE_ROUTES, PROXY, Ask

CASES = int(os.environ.get("GATEWAY_AUTH_QUESTIONS", "400"))
PIECES = (
    "/", "/orders", "/1", "/known", "/x", "/public", "/optional", "/any", "/analysts", "/console", "/inside",
    "/keeping", "/shadow", "/strict", "/socket", "/files", "/..", "/.", "//", "/%2e%2e", "/%2f", "/%41", "/a;b",
    "/..;", "\\",
    "%", "%00", "%c3%a4", "%ff", "#f", ":", "@", "~", "é", " ",
)  # fmt: skip
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "QUERY", "TRACE", "get", "G ET")
FIELDS = (
    ("x-api-key", "{reader}"), ("x-api-key", "{plain}"), ("x-api-key", "{wildcard}"), ("x-api-key", "{revoked}"),
    ("authorization", "Bearer {reader}"), ("authorization", "ApiKey {analyst}"), ("authorization", "Basic dTpw"),
    ("x-api-key", "gwk_nonsense"), ("x-api-key", ""), ("origin", "https://shop.example"),
    ("referer", "https://shop.example/console/x"), ("access-control-request-method", "GET"), ("x-request-id", "mine"),
    ("x-auth-subject", "root"), ("cookie", "a=b"), ("x_api_key", "{reader}"), ("x-original-url", "/public"),
)  # fmt: skip
QUERIES = ("", "", "", "a=b", "a=%2e%2e", "k={reader}", "a?b", "a/../b")
IDENTITY = ("x-auth-subject", "x-auth-app", "x-auth-key-id", "x-auth-scopes", "x-auth-roles", "x-auth-method")


def outcome(answer: Answer) -> tuple[int, str, list[str]]:
    """Status, code and challenge."""
    code = str(answer.problem["code"]) if answer.status != 200 else ""
    return answer.status, code, answer.values("www-authenticate")


@pytest.mark.parametrize(("proxy", "kind"), PROXIES.items())
async def test_any_request(start: Ask, site: Site, proxy: str, kind: str) -> None:
    chance = random.Random(f"{proxy}")  # repeatable, and no secret
    echo = Echo()
    # The limits of both ways in are counted apart, and the brake would turn the answers of a whole address.
    off: dict[str, Any] = {"failed_auth": False}
    asking = await start(proxy, **off)
    mounted = GatewayAuth(echo, config=site.config(MORE_ROUTES, trusted_proxies=[f"{PROXY}/32"], **off))
    async with lifespan(mounted):
        for _ in range(CASES):
            method = chance.choice(METHODS)
            # A blank at the end ends a request line, and is no part of a header's value: it cannot be told.
            path = "/" + "".join(chance.choices(PIECES, k=chance.randint(0, 4))).lstrip("/").rstrip(" ")
            query = chance.choice(QUERIES).replace("{reader}", site.keys["reader"])
            fields = [
                (name, value.format_map(site.keys)) for name, value in chance.sample(FIELDS, k=chance.randint(0, 4))
            ]
            uri = f"{path}?{query}" if query else path
            direct = await call(mounted, _direct(method, path, query, fields))
            told = await call(asking, asked(kind, method, uri, fields))
            assert outcome(told) == outcome(direct), (method, uri, fields)
            if told.status == 200:
                assert [told.values(name) for name in IDENTITY] == [echo.values(name) for name in IDENTITY]


def _direct(method: str, path: str, query: str, fields: list[tuple[str, str]]) -> dict[str, Any]:
    return http_scope(method, path, fields, query=query, client=(CLIENT, 1), scheme="https")


@pytest.mark.parametrize("kind", sorted(set(PROXIES.values())))
async def test_any_handshake(start: Ask, site: Site, kind: str) -> None:
    asking = await start()
    handshake = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "x")]
    mounted = GatewayAuth(Echo(), config=site.config(MORE_ROUTES))
    can_answer: dict[str, object] = {"websocket.http.response": {}}
    async with lifespan(mounted):
        for path in ("/socket", "/known", "/public", "/nowhere", "/a/../socket", "/inside"):
            for key in ([], [("x-api-key", site.keys["reader"])], [("x-api-key", site.keys["plain"])]):
                scope = websocket_scope(path, [*handshake, *key], client=(CLIENT, 1), extensions=can_answer)
                direct = await connect(mounted, scope)
                told = await call(asking, asked(kind, "GET", path, [*handshake, *key]))
                if direct.messages[0]["type"] == "websocket.accept":
                    assert told.status == 200
                else:
                    assert (told.status, told.problem["code"]) == (direct.status, direct.problem["code"])
