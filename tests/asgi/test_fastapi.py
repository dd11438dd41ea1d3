"""FastAPI: `Requires` as a dependency, in the OpenAPI document, and `requires` on path functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket

from gateway_auth import GatewayAuth, Principal, requires
from gateway_auth.fastapi import Requires
from tests.asgi.raw import connect, get, lifespan, websocket_scope
from tests.asgi.world import Mount, Site

Reader = Annotated[Principal, Requires("orders:read")]
READ = ("/read", "/either", "/routed/1", "/decorated/1", "/threaded/1", "/items", "/threaded-items")
OK = (200, None)
REQUIRED = (401, "credential_required")
SCOPE = (403, "insufficient_scope")
ROLE = (403, "insufficient_role")


def subject_of(principal: Reader) -> str:
    return principal.subject


PATHS = APIRouter()


@PATHS.get("/read")
async def read(principal: Reader) -> dict[str, str]:
    return {"subject": principal.subject}


@PATHS.get("/write")
def write(principal: Annotated[Principal, Requires("orders:read", "orders:write")]) -> dict[str, str]:
    return {"subject": principal.subject}


@PATHS.get("/either", dependencies=[Requires(any_scopes=["orders:read", "orders:export"], header="X-Client-Key")])
async def either() -> dict[str, str]:
    return {}


@PATHS.get("/known", dependencies=[Requires()])
async def known() -> dict[str, str]:
    return {}


@PATHS.get("/both")
async def both(reader: Reader, analyst: Annotated[Principal, Requires(roles=["analyst"])]) -> dict[str, str]:
    return {}


@PATHS.get("/decorated/{order}")
@requires(scopes=["orders:read"])
async def decorated(request: Request, order: int, verbose: bool = False) -> dict[str, object]:
    return {"order": order, "verbose": verbose, "subject": request.user.subject}


@PATHS.get("/threaded/{order}")
@requires(scopes=["orders:read"])
def threaded(order: int, request: Request) -> dict[str, int]:
    return {"order": order}


@PATHS.get("/items")
@requires(scopes=["orders:read"])
async def items(request: Request) -> AsyncIterator[int]:
    for number in range(3):
        yield number


@PATHS.get("/threaded-items")
@requires(scopes=["orders:read"])
def threaded_items(request: Request) -> Iterator[int]:
    yield from range(3)


@PATHS.get("/free")
async def free(request: Request) -> dict[str, bool]:
    return {"known": request.user.is_authenticated}


@PATHS.websocket("/socket")
async def socket(websocket: WebSocket, principal: Reader) -> None:
    await websocket.accept()
    await websocket.send_text(principal.subject)


ROUTED = APIRouter(prefix="/routed", dependencies=[Requires("orders:read")])


@ROUTED.get("/{rest}")
async def routed(rest: str) -> str:
    return rest


def build_app() -> FastAPI:
    """An app with all of these paths."""
    app = FastAPI()
    app.include_router(PATHS)
    app.include_router(ROUTED)
    return app


ROUTES = [{"id": "all", "path": "/{rest:path}", "access": "optional", "websocket": True}]


@pytest.fixture
async def gateway(mount: Mount) -> GatewayAuth:
    """The app behind a gateway that asks for nothing itself."""
    return await mount(build_app(), routes=ROUTES)


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        *((path, None, REQUIRED) for path in (*READ, "/write", "/known", "/both")),
        *((path, "plain", SCOPE) for path in (*READ, "/write", "/both")),
        *((path, "reader", OK) for path in (*READ, "/known")),
        ("/write", "reader", SCOPE),
        ("/write", "wildcard", OK),
        ("/known", "plain", OK),
        ("/both", "reader", ROLE),
        ("/both", "analyst", SCOPE),
        ("/free", None, OK),
    ],
)  # fmt: skip
async def test_who_may_what(
    gateway: GatewayAuth, key: dict[str, str], path: str, kind: str | None, expected: tuple[int, str | None]
) -> None:
    answer = await get(gateway, path, key[kind] if kind else None)
    assert (answer.status if expected == OK else answer.refusal) == (200 if expected == OK else expected)


async def test_the_dependency_gives_the_principal(gateway: GatewayAuth, key: dict[str, str]) -> None:
    assert (await get(gateway, "/read", key["reader"])).body == b'{"subject":"alice"}'


async def test_parameters_still_come_from_path_and_query(gateway: GatewayAuth, key: dict[str, str]) -> None:
    answer = await get(gateway, "/decorated/7", key["reader"], query_string=b"verbose=1")
    assert answer.body == b'{"order":7,"verbose":true,"subject":"alice"}'
    assert (await get(gateway, "/decorated/x", key["reader"])).status == 422


async def test_the_challenge_names_the_scopes_the_dependency_needs(gateway: GatewayAuth, key: dict[str, str]) -> None:
    answer = await get(gateway, "/write", key["reader"])
    assert answer.only("www-authenticate").endswith('error="insufficient_scope", scope="orders:read orders:write"')


async def test_a_generator_streams_for_those_who_may(gateway: GatewayAuth, key: dict[str, str]) -> None:
    assert (await get(gateway, "/items", key["reader"])).body == b"0\n1\n2\n"


async def test_a_websocket_dependency_refuses_before_the_accept(gateway: GatewayAuth, site: Site) -> None:
    good = websocket_scope("/socket", [("x-api-key", site.keys["reader"])])
    bad = websocket_scope("/socket", [("x-api-key", site.keys["plain"])])
    assert [m["type"] for m in (await connect(gateway, good)).messages][:2] == ["websocket.accept", "websocket.send"]
    assert (await connect(gateway, bad)).messages == [
        {"type": "websocket.close", "code": 1008, "reason": "insufficient_scope"}
    ]


async def test_without_the_middleware_the_dependency_lets_nobody_pass() -> None:
    from gateway_auth.errors import MiddlewareMissing

    with pytest.raises(MiddlewareMissing):
        await get(build_app(), "/read")


async def test_other_dependencies_may_build_on_it(mount: Mount, key: dict[str, str]) -> None:
    app = FastAPI()

    @app.get("/read")
    async def read(subject: Annotated[str, Depends(subject_of)]) -> str:
        return subject

    gateway = await mount(app, routes=ROUTES)
    assert (await get(gateway, "/read", key["reader"])).body == b'"alice"'
    assert (await get(gateway, "/read", key["plain"])).refusal == SCOPE
    assert security(app.openapi(), "/read") == [{"Bearer": ["orders:read"]}, {"ApiKey": ["orders:read"]}]


def security(document: dict[str, Any], path: str) -> object:
    return document["paths"][path]["get"].get("security")


def test_the_document_lists_both_schemes_as_alternatives_with_the_scopes() -> None:
    document = build_app().openapi()
    assert security(document, "/read") == [{"Bearer": ["orders:read"]}, {"ApiKey": ["orders:read"]}]
    assert security(document, "/routed/{rest}") == [{"Bearer": ["orders:read"]}, {"ApiKey": ["orders:read"]}]
    both = ["orders:read", "orders:write"]
    assert security(document, "/write") == [{"Bearer": both}, {"ApiKey": both}]
    assert security(document, "/known") == [{"Bearer": []}, {"ApiKey": []}]
    assert security(document, "/either") == [{"Bearer": []}, {"ApiKey-x-client-key": []}]
    assert security(document, "/free") is None


def test_the_document_describes_the_schemes_and_adds_no_parameter() -> None:
    document = build_app().openapi()
    schemes = document["components"]["securitySchemes"]
    assert {name: {k: v for k, v in scheme.items() if k != "description"} for name, scheme in schemes.items()} == {
        "Bearer": {"type": "http", "scheme": "bearer"},
        "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "ApiKey-x-client-key": {"type": "apiKey", "in": "header", "name": "X-Client-Key"},
    }
    assert "parameters" not in document["paths"]["/read"]["get"]


PAGES = ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"]


@pytest.mark.parametrize("path", PAGES)
async def test_the_documentation_is_closed_unless_a_route_opens_it(site: Site, path: str) -> None:
    app = build_app()
    app.add_middleware(GatewayAuth, config=site.config([{"id": "read", "path": "/read"}]))
    async with lifespan(app):
        for kind in (None, "wildcard"):
            answer = await get(app, path, site.keys[kind] if kind else None)
            assert answer.refusal == (403, "no_matching_route")


async def test_the_documentation_can_be_opened(site: Site) -> None:
    app = build_app()
    routes = [{"id": f"page-{n}", "path": path, "access": "public"} for n, path in enumerate(PAGES)]
    app.add_middleware(GatewayAuth, config=site.config(routes))
    async with lifespan(app):
        assert [(await get(app, path)).status for path in PAGES] == [200] * 4
