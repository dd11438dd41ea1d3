"""`@requires` on Starlette endpoints: who may, who gets which answer, and what nobody can do about it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount as MountRoute
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_auth import requires
from gateway_auth.errors import MiddlewareMissing
from tests.asgi.raw import get
from tests.asgi.world import Echo, Mount

CALLS: list[str] = []


@requires(scopes=["orders:read", "orders:write"])
async def awaited(request: Request) -> Response:
    CALLS.append("awaited")
    return PlainTextResponse("done")


@requires(any_scopes=["orders:write", "orders:read"])
def threaded(request: Request) -> Response:
    CALLS.append("threaded")
    return PlainTextResponse("done")


@requires(scopes=["orders:read"], any_scopes=["bills:read", "bills:write"])
async def stepped(request: Request) -> Response:
    CALLS.append("stepped")
    return PlainTextResponse("done")


class Endpoint(HTTPEndpoint):
    @requires(roles=["analyst", "auditor"])
    async def get(self, request: Request) -> Response:
        CALLS.append("method")
        return PlainTextResponse("done")


class ThreadedEndpoint(HTTPEndpoint):
    @requires()
    def get(self, request: Request) -> Response:
        CALLS.append("threaded method")
        return PlainTextResponse("done")


ENDPOINTS: dict[str, Any] = {
    "awaited": awaited, "threaded": threaded, "stepped": stepped, "method": Endpoint, "known": ThreadedEndpoint,
}  # fmt: skip
ROUTES = [{"id": name, "path": f"/{name}", "access": "optional"} for name in ENDPOINTS]
ROUTES += [
    {"id": "below", "path": "/below/{rest:path}", "access": "optional"},
    {"id": "open", "path": "/open", "access": "public"},
]
STARLETTE = [Route(f"/{name}", endpoint) for name, endpoint in ENDPOINTS.items()]
OK = (200, None)
REQUIRED = (401, "credential_required")
SCOPE = (403, "insufficient_scope")
ROLE = (403, "insufficient_role")


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("/awaited", None, REQUIRED),
        ("/awaited", "plain", SCOPE),
        ("/awaited", "reader", SCOPE),
        ("/awaited", "wildcard", OK),
        ("/awaited", "admin", OK),
        ("/threaded", None, REQUIRED),
        ("/threaded", "plain", SCOPE),
        ("/threaded", "reader", OK),
        ("/method", None, REQUIRED),
        ("/method", "admin", ROLE),
        ("/method", "analyst", OK),
        ("/known", None, REQUIRED),
        ("/known", "plain", OK),
    ],
)
@pytest.mark.parametrize(
    "build",
    [
        lambda: Starlette(routes=STARLETTE),
        lambda: Starlette(routes=[MountRoute("/", routes=STARLETTE)]),
        lambda: Starlette(routes=[MountRoute("/", Starlette(routes=STARLETTE))]),
        lambda: Starlette(routes=STARLETTE, middleware=[Middleware(Passing)]),
        lambda: Router(routes=STARLETTE),
    ],
    ids=["starlette", "mounted-routes", "mounted-app", "behind-base-middleware", "bare-router"],
)
async def test_the_endpoint_is_called_for_those_who_may_and_for_nobody_else(
    mount: Mount, key: dict[str, str], path: str, kind: str | None, expected: tuple[int, str | None], build: Any
) -> None:
    gateway = await mount(build(), routes=ROUTES)
    answer = await get(gateway, path, key[kind] if kind else None)
    if expected == OK:
        assert (answer.status, answer.body, len(CALLS)) == (200, b"done", 1)
    else:
        assert answer.refusal == expected
        assert CALLS == []


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response


async def test_the_challenge_names_the_scopes_the_endpoint_needs(mount: Mount, key: dict[str, str]) -> None:
    gateway = await mount(Starlette(routes=STARLETTE), routes=ROUTES)
    for path, kind, needed in (
        ("/awaited", "reader", "orders:read orders:write"),
        ("/threaded", "plain", "orders:read orders:write"),
    ):
        answer = await get(gateway, path, key[kind])
        expected = f'Bearer realm="orders", error="insufficient_scope", scope="{needed}"'
        assert answer.only("www-authenticate") == expected
    answer = await get(gateway, "/awaited")
    assert answer.values("www-authenticate") == ['Bearer realm="orders"', 'ApiKey realm="orders"']
    assert (await get(gateway, "/method", key["admin"])).values("www-authenticate") == []


async def mine(request: Request, error: Exception) -> Response:
    return JSONResponse({"mine": True}, 418, headers={"x-request-id": "mine"})


@pytest.mark.parametrize("handled", [HTTPException, Exception, 403])
async def test_a_handler_of_the_app_cannot_change_the_answer(mount: Mount, key: dict[str, str], handled: Any) -> None:
    app = Starlette(routes=STARLETTE, exception_handlers={handled: mine})
    gateway = await mount(app, routes=ROUTES)
    assert (await get(gateway, "/awaited", key["plain"])).refusal == SCOPE


async def test_an_endpoint_that_catches_the_refusal_cannot_change_the_answer(mount: Mount, key: dict[str, str]) -> None:
    async def catching(request: Request) -> Response:
        try:
            return await awaited(request)
        except HTTPException:
            return PlainTextResponse("secret", headers={"set-cookie": "a"})

    gateway = await mount(Starlette(routes=[Route("/known", catching)]), routes=ROUTES)
    answer = await get(gateway, "/known", key["plain"])
    assert answer.refusal == SCOPE
    assert b"secret" not in answer.body
    assert answer.values("set-cookie") == []


async def test_a_plain_asgi_app_that_lets_the_exception_out_is_answered_the_same(
    mount: Mount, key: dict[str, str]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        await (await awaited(Request(scope)))(scope, receive, send)

    gateway = await mount(app, routes=ROUTES)
    assert (await get(gateway, "/known", key["wildcard"])).body == b"done"
    assert (await get(gateway, "/known", key["plain"])).refusal == SCOPE


async def test_a_public_route_proves_nobody_so_requires_refuses_everybody(mount: Mount, key: dict[str, str]) -> None:
    gateway = await mount(Starlette(routes=[Route("/open", awaited)]), routes=ROUTES)
    assert (await get(gateway, "/open", key["wildcard"])).refusal == REQUIRED


async def test_a_limited_route_tells_its_limits_with_the_refusal(mount: Mount, key: dict[str, str]) -> None:
    gateway = await mount(Starlette(routes=[Route("/limited", awaited)]))
    answer = await get(gateway, "/limited", key["plain"])
    assert answer.refusal == SCOPE
    assert answer.only("ratelimit-policy") == '"per-key";q=2;w=60'
    assert answer.only("ratelimit").startswith('"per-key";r=1;')
    assert "violated-policies" not in answer.problem


async def test_a_refusal_inside_the_app_is_counted_and_logged_like_any_other(
    mount: Mount, key: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway_auth.decisions")
    gateway = await mount(Starlette(routes=STARLETTE), routes=ROUTES)
    answer = await get(gateway, "/awaited", key["plain"])
    assert '"reason": "insufficient_scope"' in caplog.text
    assert answer.only("x-request-id") in caplog.text


def nobody_in_front() -> ASGIApp:
    return Starlette(routes=STARLETTE)


def only_elsewhere() -> ASGIApp:
    """The middleware stands before another branch of the app."""
    from gateway_auth import GatewayAuth

    return Starlette(routes=[MountRoute("/other", GatewayAuth(Echo(), config={})), *STARLETTE])


def forging(scope_value: object) -> ASGIApp:
    """Something in front that left a thing of its own where the middleware leaves the exchange."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Starlette(routes=STARLETTE)({**scope, "gateway_auth": scope_value}, receive, send)

    return app


@pytest.mark.parametrize(
    "app",
    [nobody_in_front(), only_elsewhere(), forging(None), forging({"principal": "admin"}), forging(True)],
    ids=["nobody", "elsewhere", "none", "mapping", "true"],
)
@pytest.mark.parametrize("path", ["/awaited", "/threaded", "/method", "/known"])
async def test_without_the_middleware_nobody_may(app: ASGIApp, path: str, key: dict[str, str]) -> None:
    with pytest.raises(MiddlewareMissing):
        await get(app, path, key["wildcard"])
    assert CALLS == []


async def test_the_challenge_names_all_scopes_that_a_new_token_needs(mount: Mount, key: dict[str, str]) -> None:
    """One that names only what the caller has already would be followed for ever."""
    routes = [{"id": "stepped", "path": "/stepped", "scopes": ["orders:list"]}]
    gateway = await mount(Starlette(routes=STARLETTE), routes=routes)
    answer = await get(gateway, "/stepped", key["wildcard"])
    assert answer.refusal == SCOPE
    needed = "bills:read bills:write orders:list orders:read"
    assert answer.only("www-authenticate") == f'Bearer realm="orders", error="insufficient_scope", scope="{needed}"'
    assert CALLS == []
