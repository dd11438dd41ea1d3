"""What the app behind learns: request.user, request.auth and the identity headers; and what it never sees."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway_auth import GatewayAuth, Principal
from tests.asgi.raw import call, get, http_scope
from tests.asgi.world import APPS, ROUTES, Echo, Mount, Site

IDENTITY = ("x-auth-subject", "x-auth-app", "x-auth-key-id", "x-auth-scopes", "x-auth-roles", "x-auth-method")


async def test_request_user_is_the_principal(gateway: GatewayAuth, app: Echo, site: Site, key: dict[str, str]) -> None:
    await get(gateway, "/known", key["analyst"])
    user = app.last["user"]
    assert isinstance(user, Principal)
    assert (user.is_authenticated, user.subject, user.identity, user.method) == (True, "alice", "alice", "api_key")
    assert (user.key_id, user.display_name) == (site.ids["analyst"], "shop")
    assert user.app_id is not None
    assert user.app_id.startswith("app_")
    assert (user.scopes, user.roles) == (frozenset({"reports:read"}), frozenset({"analyst"}))
    assert dict(user.claims) == {}


@pytest.mark.parametrize("path", ["/public", "/optional"])
async def test_a_caller_without_credential_is_anonymous(gateway: GatewayAuth, app: Echo, path: str) -> None:
    await get(gateway, path)
    user = app.last["user"]
    assert (user.is_authenticated, user.subject, user.key_id, user.app_id) == (False, "", None, None)
    assert list(app.last["auth"].scopes) == []
    assert [(name, app.values(name)) for name in IDENTITY if app.values(name)] == [("x-auth-method", ["anonymous"])]


async def test_a_public_route_looks_at_no_credential(gateway: GatewayAuth, app: Echo, key: dict[str, str]) -> None:
    assert (await get(gateway, "/public", key["revoked"])).status == 200
    assert app.last["user"].is_authenticated is False
    assert app.values("x-api-key") == []


async def test_two_callers_at_once_are_not_mixed_up(gateway: GatewayAuth, app: Echo, key: dict[str, str]) -> None:
    for kind in ("reader", "analyst", "reader", "odd", "analyst"):
        await get(gateway, "/known", key[kind])
        assert app.last["user"].key_id == key[kind].split("_")[2]
        assert app.values("x-auth-key-id") == [app.last["user"].key_id]
        assert set(app.last["auth"].scopes) == app.last["user"].scopes


def starlette_app() -> Starlette:
    @starlette_requires(["orders:read"])
    async def read(request: Request) -> Response:
        return JSONResponse([request.user.display_name, "orders:write" in request.auth.scopes, *request.auth.scopes])

    return Starlette(routes=[Route("/known", read), Route("/optional", read)])


@pytest.mark.parametrize(
    ("kind", "status"), [("reader", 200), ("wildcard", 200), ("admin", 200), ("plain", 403), ("analyst", 403)]
)
async def test_the_requires_of_starlette_keeps_working_and_knows_wildcards(
    mount: Mount, key: dict[str, str], kind: str, status: int
) -> None:
    gateway = await mount(starlette_app())
    answer = await get(gateway, "/known", key[kind])
    assert answer.status == status
    if kind == "wildcard":
        assert answer.body == b'["shop",true,"orders:*"]'


async def test_the_requires_of_starlette_refuses_the_anonymous(mount: Mount) -> None:
    assert (await get(await mount(starlette_app()), "/optional")).status == 403


async def test_identity_headers_are_there_exactly_once(
    gateway: GatewayAuth, app: Echo, site: Site, key: dict[str, str]
) -> None:
    await get(gateway, "/known", key["admin"])
    user = app.last["user"]
    expected = {
        "x-auth-subject": ["alice"],
        "x-auth-app": [user.app_id],
        "x-auth-key-id": [site.ids["admin"]],
        "x-auth-scopes": ["orders:*"],
        "x-auth-roles": ["admin"],
        "x-auth-method": ["api_key"],
    }
    assert {name: app.values(name) for name in IDENTITY} == expected
    assert len(app.values("x-request-id")) == 1


async def test_an_app_without_owner_is_its_own_subject(gateway: GatewayAuth, app: Echo, key: dict[str, str]) -> None:
    await get(gateway, "/known", key["orphan"])
    assert app.values("x-auth-subject") == app.values("x-auth-app") == [app.last["user"].app_id]


async def test_an_odd_owner_is_percent_encoded_and_splits_no_header(
    gateway: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    await get(gateway, "/known", key["odd"])
    (subject,) = app.values("x-auth-subject")
    assert subject.isascii()
    assert not set(subject) & set(" \t\r\n\0%") - {"%"}
    assert unquote(subject) == APPS["odd"].owner


SPELLINGS = [
    "X-Auth-Subject", "x-auth-subject", "X-AUTH-SUBJECT", "x_auth_subject", "X_Auth-Subject", "x-auth_subject",
    "x-auth-anything", "x-auth-", "x_auth_roles", "X-Auth-Key-Id", "x-auth-method", "x-auth-scopes ",
    "X-Consumer-Id", "x_consumer_username", "x-credential-identifier", "X-User-Id", "x_user_name",
    "x-authenticated-userid", "X-Forwarded-User", "x_forwarded_email", "x-forwarded-groups",
    "x-forwarded-preferred-username", "Remote-User", "REMOTE_USER", "x-remote-user",
    "X-Original-URL", "x_original_url", "x-rewrite-url", "X-Request-ID", "x_request_id",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/public", "/optional", "/keeping"])
async def test_no_spelling_of_an_identity_header_reaches_the_app(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], path: str
) -> None:
    for name in SPELLINGS:
        forged = [(name, "admin"), (name, "root")]
        assert (await get(gateway, path, key["reader"] if path == "/keeping" else None, forged)).status == 200
        reached = {value for _, value in app.last["headers"]}
        assert (name, reached & {b"admin", b"root"}) == (name, set())


async def test_the_stripped_families_can_be_chosen_and_ours_is_always_stripped(
    mount: Mount, app: Echo, key: dict[str, str]
) -> None:
    gateway = await mount(app, strip_headers=["x-tenant-*"])
    forged = [("x-tenant-id", "1"), ("X_Tenant_Name", "2"), ("x-auth-subject", "3"), ("x-user-id", "4")]
    await get(gateway, "/public", headers=forged)
    assert [name for name in ("x-tenant-id", "x-tenant-name", "x-auth-subject", "x-user-id") if app.values(name)] == [
        "x-user-id"
    ]


CREDENTIALS = {
    "key-header": ("X-Api-Key", "{0}"),
    "bearer": ("authorization", "Bearer {0}"),
    "apikey": ("Authorization", "ApiKey {0}"),
}


@pytest.mark.parametrize(("name", "value"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
async def test_a_credential_reaches_no_app(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], name: str, value: str
) -> None:
    for path in ("/known", "/optional", "/shadow", "/public"):
        assert (await get(gateway, path, headers=[(name, value.format(key["reader"]))])).status == 200
        assert all(key["reader"].encode() not in text for _, text in app.last["headers"])
        assert app.values("authorization") == app.values("x-api-key") == []


@pytest.mark.parametrize("name", ["x_api_key", "X_API_KEY", "x-api_key", "authorization "])
async def test_a_look_alike_of_a_credential_header_is_neither_read_nor_passed_on(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], name: str
) -> None:
    assert (await get(gateway, "/known", headers=[(name, key["reader"])])).status == 401
    await get(gateway, "/public", headers=[(name, key["reader"])])
    assert app.values(name.strip()) == []


@pytest.mark.parametrize(
    "value", ["{0}", "Bearer\t{0}", "Bearer  {0}", "bearer {0}", "Token {0}", "ApiKey\t{0}", "X, Bearer {0}"]
)
async def test_a_public_route_passes_no_authorization_on_that_holds_a_key(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], value: str
) -> None:
    assert (await get(gateway, "/public", headers=[("authorization", value.format(key["reader"]))])).status == 200
    assert app.values("authorization") == []


async def test_a_public_route_passes_foreign_authorization_on(gateway: GatewayAuth, app: Echo) -> None:
    await get(gateway, "/public", headers=[("authorization", "Basic dTpw")])
    assert app.values("authorization") == ["Basic dTpw"]


@pytest.mark.parametrize(("name", "value"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
async def test_a_route_may_keep_the_credential(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], name: str, value: str
) -> None:
    await get(gateway, "/keeping", headers=[(name, value.format(key["reader"]))])
    assert app.values(name) == [value.format(key["reader"])]


async def test_another_configured_key_header_is_read_and_stripped(mount: Mount, site: Site, app: Echo) -> None:
    config = site.config() | {"api_keys": {"headers": ["x-client-key", "x-other-key"]}}
    gateway = await mount(app, config=config)
    for name in ("x-client-key", "X-Other-Key"):
        assert (await get(gateway, "/known", headers=[(name, site.keys["plain"])])).status == 200
        assert app.values(name) == []
    both = [("x-client-key", site.keys["plain"]), ("x-other-key", site.keys["plain"])]
    assert (await get(gateway, "/known", headers=both)).refusal == (400, "ambiguous_credentials")
    assert (await get(gateway, "/known", site.keys["plain"])).status == 401


async def test_other_headers_query_and_body_reach_the_app_as_they_were(
    gateway: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    sent = [("accept", "a"), ("Accept", "b"), ("x-trace", "é"), ("cookie", "a=1; b=2"), ("content-length", "3")]
    scope = http_scope("POST", "/known", [*sent, ("x-api-key", key["plain"])], query="a=1&a=%32")
    await call(gateway, scope, b"a", b"bc")
    kept = [pair for pair in app.last["headers"] if pair[0].lower() in (b"accept", b"x-trace", b"cookie")]
    assert kept == [(b"accept", b"a"), (b"Accept", b"b"), (b"x-trace", "é".encode("latin-1")), (b"cookie", b"a=1; b=2")]
    assert (app.last["query_string"], app.bodies) == (b"a=1&a=%32", [b"abc"])


async def test_the_scope_of_the_server_is_not_changed(gateway: GatewayAuth, app: Echo, key: dict[str, str]) -> None:
    scope = http_scope("GET", "/known", [("x-api-key", key["plain"])])
    before = {name: list(value) if isinstance(value, list) else value for name, value in scope.items()}
    await call(gateway, scope)
    assert scope == before


def test_every_access_is_tried_here() -> None:
    assert {route.get("access", "required") for route in ROUTES} == {"required", "optional", "public"}
