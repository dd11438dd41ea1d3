"""The middleware under mounts and root paths decides as it does unmounted, by the path below it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount as MountRoute
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway_auth import GatewayAuth
from tests.asgi.raw import connect, get, lifespan, websocket_scope
from tests.asgi.world import Echo, Mount, Site


def below(*prefixes: str) -> Callable[[ASGIApp], ASGIApp]:
    """The app under these mounts, the first the outermost."""

    def place(app: ASGIApp) -> ASGIApp:
        for prefix in reversed(prefixes):
            app = Starlette(routes=[MountRoute(prefix, app)])
        return app

    return place


PLACES = {
    "unmounted": (below(), "", ""),
    "one-mount": (below("/a"), "/a", ""),
    "two-mounts": (below("/a", "/b"), "/a/b", ""),
    "parameter-mount": (below("/{tenant}"), "/t1", ""),
    "encoded-parameter": (below("/{tenant}"), "/t%3B1", ""),
    "accented-parameter": (below("/{tenant}"), "/caf%C3%A9", ""),
    "encoded-letters": (below("/api"), "/%61pi", ""),
    "server-root-path": (below(), "/b", "/b"),
    "server-root-path-and-mount": (below("/a"), "/b/a", "/b"),
    "two-level-root-path": (below(), "/b/c", "/b/c"),
    "root-path-the-server-strips": (below(), "", "/b"),
    "route-like-prefix": (below("/public"), "/public", ""),
    "same-prefix-twice": (below("/known"), "/known", ""),
}
CASES = [
    ("/public", None, 200),
    ("/known", None, 401),
    ("/known", "plain", 200),
    ("/orders/1", None, 401),
    ("/orders/1", "plain", 403),
    ("/orders/1", "reader", 200),
    ("/orders/%31", "reader", 200),
    ("/nowhere", "reader", 403),
    ("/public/../orders/1", "plain", 400),
    ("//public", None, 400),
    ("/", "reader", 403),
]


@pytest.fixture
async def started(site: Site) -> AsyncIterator[list[GatewayAuth]]:
    """Middlewares that get no lifespan of their own are stopped here."""
    gateways: list[GatewayAuth] = []
    yield gateways
    for gateway in gateways:
        await gateway._runtime.stop()


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
async def test_decisions_are_the_same_wherever_it_is_mounted(
    site: Site,
    app: Echo,
    started: list[GatewayAuth],
    place: tuple[Callable[[ASGIApp], ASGIApp], str, str],
) -> None:
    put, prefix, root_path = place
    gateway = GatewayAuth(app, config=site.config())
    started.append(gateway)
    outside = put(gateway)
    for path, kind, status in CASES:
        reached = len(app.scopes)
        answer = await get(outside, prefix + path, site.keys[kind] if kind else None, root_path=root_path)
        assert (path, kind, answer.status) == (path, kind, status)
        assert len(app.scopes) - reached == (status == 200)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
async def test_a_websocket_is_judged_by_the_path_below_the_mount_too(
    site: Site,
    started: list[GatewayAuth],
    place: tuple[Callable[[ASGIApp], ASGIApp], str, str],
) -> None:
    put, prefix, root_path = place
    gateway = GatewayAuth(Echo(), config=site.config())
    started.append(gateway)
    outside = put(gateway)
    for kind, message in (("reader", "websocket.accept"), ("plain", "websocket.close")):
        scope = websocket_scope(prefix + "/socket", [("x-api-key", site.keys[kind])], root_path=root_path)
        assert (await connect(outside, scope)).messages[0]["type"] == message


def tenant_app() -> Starlette:
    """Protected below one segment, harmless below two: what a parameter mount must not confuse."""

    async def protected(request: Request) -> Response:
        return PlainTextResponse("secret")

    return Starlette(routes=[Route("/admin", protected)])


@pytest.mark.parametrize(
    "path",
    [
        "/t/admin",
        "/t%3B/admin",
        "/;/admin",
        "/%3B/admin",
        "/t%3A%40/admin",
        "/t%20u/admin",
        "/%C3%A9/admin",
        "/%24/admin",
        "/t%25/admin",
    ],
)
async def test_a_caller_who_chooses_the_mount_point_chooses_no_weaker_route(
    site: Site, started: list[GatewayAuth], path: str
) -> None:
    routes = [{"id": "two", "path": "/{a}/{b}", "access": "public"}, {"id": "admin", "path": "/admin"}]
    gateway = GatewayAuth(tenant_app(), config=site.config(routes))
    started.append(gateway)
    answer = await get(below("/{tenant}")(gateway), path)
    assert answer.body != b"secret"
    assert answer.status in (400, 401)


async def test_a_path_outside_the_root_path_is_judged_whole(mount: Mount, app: Echo) -> None:
    gateway = await mount(app)
    assert (await get(gateway, "/public", root_path="/pub")).status == 200
    assert (await get(gateway, "/publicity/known", root_path="/public")).status == 403


async def test_as_middleware_of_an_app_with_mounts_it_judges_whole_paths(site: Site) -> None:
    async def read(request: Request) -> Response:
        return PlainTextResponse(f"{request.path_params['id']} {request.user.subject}")

    app = Starlette(routes=[MountRoute("/orders", routes=[Route("/{id}", read)])])
    app.add_middleware(GatewayAuth, config=site.config())
    async with lifespan(app):
        assert (await get(app, "/orders/7", site.keys["reader"])).body == b"7 alice"
        assert (await get(app, "/orders/7")).refusal == (401, "credential_required")
        assert (await get(app, "/elsewhere")).refusal == (403, "no_matching_route")
