"""413: bodies over the cap, declared or not, whatever the app behind makes of it."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_auth import GatewayAuth
from gateway_auth.errors import BodyTooLarge
from tests.asgi.raw import call, http_scope
from tests.asgi.world import Echo, Mount

TOO_LARGE = (413, "body_too_large")
CHUNKED = [("transfer-encoding", "chunked")]


@pytest.fixture
async def capped(mount: Mount, app: Echo) -> GatewayAuth:
    """The middleware with a cap of ten bytes."""
    return await mount(app, max_body_bytes=10)


@pytest.mark.parametrize(("declared", "expected"), [("0", 200), ("10", 200), ("11", 413), ("9" * 18, 413)])
async def test_a_declared_length_decides_before_the_app_is_reached(
    capped: GatewayAuth, app: Echo, declared: str, expected: int
) -> None:
    answer = await call(capped, http_scope("POST", "/public", [("content-length", declared)]), b"x")
    assert answer.status == expected
    assert len(app.scopes) == (expected == 200)
    if expected == 413:
        assert answer.refusal == TOO_LARGE


@pytest.mark.parametrize(
    ("changes", "headers"),
    [({}, CHUNKED), ({"http_version": "2"}, []), ({"http_version": "3"}, []), ({"http_version": "1.0"}, CHUNKED)],
    ids=["chunked", "http-2", "http-3", "http-1.0-chunked"],
)
@pytest.mark.parametrize(("pieces", "expected"), [((b"12345", b"67890"), 200), ((b"12345", b"678901"), 413)])
async def test_a_body_of_undeclared_length_is_counted_while_it_is_read(
    capped: GatewayAuth,
    app: Echo,
    changes: dict[str, str],
    headers: list[tuple[str, str]],
    pieces: tuple[bytes, ...],
    expected: int,
) -> None:
    answer = await call(capped, http_scope("POST", "/public", headers, **changes), *pieces)
    assert answer.status == expected
    if expected == 413:
        assert answer.refusal == TOO_LARGE
        assert app.bodies == []


async def test_a_length_beside_a_transfer_coding_does_not_lift_the_cap(capped: GatewayAuth, app: Echo) -> None:
    scope = http_scope("POST", "/public", [("content-length", "5"), *CHUNKED])
    assert (await call(capped, scope, b"x" * 1000)).status in (400, 413)
    assert app.bodies == []


async def read_body(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def read_body_and_hide_trouble(request: Request) -> Response:
    try:
        return PlainTextResponse(str(len(await request.body())))
    except BodyTooLarge:
        return PlainTextResponse("all is well")


async def fail_differently(request: Request) -> Response:
    try:
        return PlainTextResponse(str(len(await request.body())))
    except BodyTooLarge as error:
        raise LookupError("something of the app") from error


async def handle(request: Request, error: Exception) -> Response:
    return JSONResponse({"mine": str(error)}, 418)


def starlette_app(**handlers: object) -> ASGIApp:
    return Starlette(
        routes=[
            Route("/public", read_body, methods=["POST"]),
            Route("/optional", read_body_and_hide_trouble, methods=["POST"]),
            Route("/any/hidden", fail_differently, methods=["POST"]),
        ],
        exception_handlers=handlers.get("handlers"),  # type: ignore[arg-type]  # Starlette's type asks for one exact shape
    )


@pytest.mark.parametrize(
    "handlers", [None, {Exception: handle}, {413: handle, Exception: handle}], ids=["none", "any", "413"]
)
@pytest.mark.parametrize("path", ["/public", "/optional"])
async def test_the_answer_is_ours_whatever_the_app_makes_of_the_exception(
    mount: Mount, handlers: object, path: str
) -> None:
    gateway = await mount(starlette_app(handlers=handlers), max_body_bytes=10)
    answer = await call(gateway, http_scope("POST", path, CHUNKED), b"x" * 11)
    assert answer.refusal == TOO_LARGE


async def test_an_exception_the_app_raises_instead_is_answered_the_same(mount: Mount) -> None:
    routes = [{"id": "all", "path": "/{rest:path}", "access": "public"}]
    gateway = await mount(starlette_app(), routes=routes, max_body_bytes=10)
    answer = await call(gateway, http_scope("POST", "/any/hidden", CHUNKED), b"x" * 11)
    assert answer.refusal == TOO_LARGE


async def test_a_framework_that_makes_it_a_bad_request_is_overruled(mount: Mount) -> None:
    app = FastAPI()

    @app.post("/public")
    async def create(body: dict[str, str]) -> str:
        return "created"

    gateway = await mount(app, max_body_bytes=10)
    headers = [("content-type", "application/json"), *CHUNKED]
    assert (await call(gateway, http_scope("POST", "/public", headers), b'{"a": "bcdef"}')).refusal == TOO_LARGE


async def test_an_answer_that_has_begun_is_not_replaced(mount: Mount) -> None:
    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        try:
            await receive()
        except BodyTooLarge:
            await send({"type": "http.response.body", "body": b"b"})

    gateway = await mount(early, max_body_bytes=10)
    answer = await call(gateway, http_scope("POST", "/public", CHUNKED), b"x" * 11)
    assert (answer.status, answer.body) == (200, b"ab")


async def test_a_body_too_large_is_counted_as_refused(
    mount: Mount, app: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway_auth.decisions")
    gateway = await mount(app, max_body_bytes=10)
    await call(gateway, http_scope("POST", "/public", CHUNKED), b"x" * 11)
    assert '"reason": "body_too_large"' in caplog.text


async def test_a_declared_body_too_large_costs_nothing(mount: Mount, app: Echo, key: dict[str, str]) -> None:
    gateway = await mount(app, max_body_bytes=10)
    credential = ("x-api-key", key["plain"])
    for _ in range(3):
        scope = http_scope("POST", "/limited", [credential, ("content-length", "11")])
        assert (await call(gateway, scope, b"x" * 11)).refusal == TOO_LARGE
    answer = await call(gateway, http_scope("GET", "/limited", [credential]))
    assert answer.only("ratelimit").startswith('"per-key";r=1;')


async def test_a_body_found_too_large_while_it_is_read_tells_what_it_has_cost(
    mount: Mount, app: Echo, key: dict[str, str]
) -> None:
    gateway = await mount(app, max_body_bytes=10)
    scope = http_scope("POST", "/limited", [("x-api-key", key["plain"]), *CHUNKED])
    answer = await call(gateway, scope, b"x" * 11)
    assert answer.refusal == TOO_LARGE
    assert answer.only("ratelimit-policy") == '"per-key";q=2;w=60'
    assert answer.only("ratelimit").startswith('"per-key";r=1;')


@pytest.mark.parametrize("headers", [[("content-length", "11")], CHUNKED], ids=["declared", "chunked"])
async def test_the_cap_holds_on_a_shadow_route_too(mount: Mount, app: Echo, headers: list[tuple[str, str]]) -> None:
    # A route in shadow mode tries out a policy; the cap protects the process and is no policy of the route.
    gateway = await mount(app, max_body_bytes=10)
    answer = await call(gateway, http_scope("POST", "/shadow", headers), b"x" * 11)
    assert answer.refusal == TOO_LARGE
    assert app.bodies == []
