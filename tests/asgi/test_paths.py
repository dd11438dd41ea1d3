"""The path judged is the path the app routes by, however the two are spelled and whoever rewrote one of them."""

from __future__ import annotations

import contextlib
from random import Random

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_auth import GatewayAuth
from gateway_auth.core.path import canonical_path
from gateway_auth.errors import ConfigError
from tests.asgi.raw import ABSENT, call, get, http_scope
from tests.asgi.world import Echo, Mount, Site

ROUTES = [
    {"id": "export", "path": "/orders:export", "scopes": ["orders:export"]},
    {"id": "batch", "path": "/v1/{thing}/(all)", "scopes": ["orders:export"]},
    {"id": "pipe", "path": canonical_path(b"/a|b[1]"), "scopes": ["orders:export"]},
    {"id": "accent", "path": "/caf%C3%A9", "scopes": ["orders:export"]},
    {"id": "anything", "path": "/{thing}", "access": "public"},
    {"id": "below", "path": "/v1/{rest:path}", "access": "public"},
]


def guarded_app() -> Starlette:
    """An app whose protected endpoints must never answer an anonymous caller."""

    async def protected(request: Request) -> Response:
        return PlainTextResponse("secret")

    async def harmless(request: Request) -> Response:
        return PlainTextResponse("harmless")

    return Starlette(
        routes=[
            Route("/orders:export", protected),
            Route("/v1/{thing}/(all)", protected),
            Route("/a|b[1]", protected),
            Route("/café", protected),
            Route("/{rest:path}", harmless),
        ]
    )


@pytest.mark.parametrize(
    "path",
    [
        "/orders:export",
        "/orders%3Aexport",
        "/orders%3aexport",
        "/%6Frders:export",
        "/v1/x/(all)",
        "/v1/x/%28all)",
        "/v1/x/%28all%29",
        "/a|b[1]",
        "/a%7Cb%5B1%5D",
        "/a%7cb[1%5d",
        "/caf%C3%A9",
        "/caf%c3%a9",
        "/%63af%C3%A9",
    ],
)
@pytest.mark.parametrize("raw", [True, False], ids=["raw-path", "no-raw-path"])
async def test_no_spelling_of_a_protected_path_falls_under_a_weaker_route(mount: Mount, path: str, raw: bool) -> None:
    gateway = await mount(guarded_app(), routes=ROUTES)
    scope = http_scope("GET", path) if raw else http_scope("GET", path, raw_path=ABSENT)
    answer = await call(gateway, scope)
    assert answer.body != b"secret"
    assert answer.status in (400, 401)


async def test_a_semicolon_in_a_route_is_refused_or_judged_in_both_spellings(site: Site) -> None:
    # Decoded they are the same to the app; to some servers behind a proxy they are not.
    routes = [{"id": "odd", "path": "/orders;export"}, {"id": "anything", "path": "/{thing}", "access": "public"}]

    async def protected(request: Request) -> Response:
        return PlainTextResponse("secret")

    started = GatewayAuth(Starlette(routes=[Route("/orders;export", protected)]), config=site.config(routes))
    answers = []
    with contextlib.suppress(ConfigError):
        answers = [await get(started, path) for path in ("/orders;export", "/orders%3Bexport", "/orders%3bexport")]
        await started._runtime.stop()
    assert [answer.body for answer in answers if answer.body == b"secret"] == []


async def test_no_escaping_of_a_protected_path_reaches_its_endpoint(mount: Mount) -> None:
    gateway = await mount(guarded_app(), routes=ROUTES)
    chance = Random(7)
    for _ in range(300):
        plain = chance.choice(["/orders:export", "/v1/x/(all)"])
        path = "".join(f"%{ord(c):02X}" if c != "/" and chance.random() < 0.4 else c for c in plain)
        assert ((await get(gateway, path)).body == b"secret", path) == (False, path)


def rewriting(app: ASGIApp, **changes: object) -> ASGIApp:
    """A middleware in front that changes the scope, as some do that strip prefixes or rewrite URLs."""

    async def rewrite(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope = {name: value for name, value in {**scope, **changes}.items() if value is not ABSENT}
        await app(scope, receive, send)

    return rewrite


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/orders/1"},
        {"path": "/orders/1", "raw_path": b""},
        {"path": "/orders/1", "raw_path": None},
        {"path": "/orders/1", "raw_path": ABSENT},
        {"path": "/orders/1", "root_path": "/elsewhere"},
    ],
    ids=["path-alone", "empty-raw-path", "raw-path-none", "no-raw-path", "foreign-root-path"],
)
async def test_a_middleware_in_front_that_rewrites_the_path_opens_no_way_around(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], changes: dict[str, object]
) -> None:
    front = rewriting(gateway, **changes)
    assert (await get(front, "/public")).refusal == (401, "credential_required")
    assert app.scopes == []
    assert (await get(front, "/public", key["reader"])).status == 200
    assert (app.last["path"], app.last["raw_path"]) == ("/orders/1", b"/orders/1")


async def test_a_raw_path_that_was_rewritten_alone_is_not_what_the_app_routes_by(
    gateway: GatewayAuth, app: Echo
) -> None:
    front = rewriting(gateway, raw_path=b"/public")
    assert (await get(front, "/orders/1")).refusal == (401, "credential_required")
    assert app.scopes == []


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("/known/%7Ea", "/known/~a"),
        ("/known/%41", "/known/A"),
        ("/known/a%2fb", None),
        ("/known/%c3%a9", "/known/%C3%A9"),
        ("/known/a;b=c", "/known/a;b=c"),
    ],
)
async def test_the_raw_path_the_app_gets_is_the_one_that_was_judged(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], spelled: str, canonical: str | None
) -> None:
    answer = await get(gateway, spelled, key["plain"])
    if canonical is None:
        assert answer.status == 400
    else:
        assert app.last["raw_path"] == canonical.encode()


@pytest.mark.parametrize(
    "path", ["/\udc80", "/known/\ud800", "/\x00", "/known/\u202e", "", "known", "/known/" + "\U0001f600" * 3000]
)
async def test_a_decoded_path_no_server_should_give_is_no_crash(
    gateway: GatewayAuth, key: dict[str, str], path: str
) -> None:
    scope = http_scope("GET", "/known", [("x-api-key", key["plain"])], raw_path=ABSENT) | {"path": path}
    answer = await call(gateway, scope)
    assert answer.status in (200, 400, 403)


async def test_a_scope_with_only_the_required_keys_is_served(gateway: GatewayAuth, app: Echo) -> None:
    # Optional by the ASGI specification: scheme, raw_path, query_string, root_path, client, server, extensions.
    names = ("scheme", "raw_path", "query_string", "root_path", "client", "server", "extensions")
    scope = {name: value for name, value in http_scope("GET", "/public").items() if name not in names}
    assert (await call(gateway, scope)).status == 200
