"""403: known or not, this request is not allowed; in the order of the checks."""

from __future__ import annotations

import pytest

from gateway_auth import GatewayAuth
from tests.asgi.raw import call, get, http_scope
from tests.asgi.world import CERTIFICATE, Echo, Mount

NO_ROUTE = (403, "no_matching_route")
SCOPE = (403, "insufficient_scope")
ROLE = (403, "insufficient_role")
NETWORK = (403, "network_not_allowed")
REFERRER = (403, "referrer_not_allowed")
APPLICATION = (403, "application_not_allowed")
REQUEST = (403, "request_not_allowed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/orders"),
        ("GET", "/orders/"),
        ("GET", "/Orders/1"),
        ("GET", "/orders/1/"),
        ("GET", "/orders/1;x=1/2"),
        ("GET", "/public/"),
        ("GET", "/PUBLIC"),
        ("GET", "/public;x"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/.well-known/x"),
        ("DELETE", "/orders/1"),
        ("OPTIONS", "/orders/1"),
        ("QUERY", "/orders/1"),
        ("TRACE", "/orders/1"),
        ("TRACE", "/public"),
        ("TRACK", "/public"),
        ("CONNECT", "/public"),
    ],
)
async def test_what_no_route_is_for_is_refused_with_any_credential(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], method: str, path: str
) -> None:
    for credential in ([], [("x-api-key", key["wildcard"])]):
        answer = await call(gateway, http_scope(method, path, credential))
        assert answer.refusal == NO_ROUTE
        assert answer.values("www-authenticate") == []
    assert app.scopes == []


async def test_head_follows_get(gateway: GatewayAuth, app: Echo, key: dict[str, str]) -> None:
    assert (await call(gateway, http_scope("HEAD", "/orders/1"))).refusal == (401, "credential_required")
    assert (await call(gateway, http_scope("HEAD", "/orders/1", [("x-api-key", key["plain"])]))).refusal == SCOPE
    assert (await call(gateway, http_scope("HEAD", "/orders/1", [("x-api-key", key["reader"])]))).status == 200
    assert [scope["method"] for scope in app.scopes] == ["HEAD"]


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method"])
async def test_a_method_override_overrides_nothing_and_does_not_go_on(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], name: str
) -> None:
    assert (await get(gateway, "/orders/1", key["reader"], [(name, "DELETE")])).status == 200
    assert app.values(name) == []


@pytest.mark.parametrize(
    ("kind", "method", "path", "expected"),
    [
        ("reader", "GET", "/orders/1", 200),
        ("wildcard", "GET", "/orders/1", 200),
        ("admin", "GET", "/orders/1", 200),
        ("plain", "GET", "/orders/1", SCOPE),
        ("analyst", "GET", "/orders/1", SCOPE),
        ("reader", "POST", "/orders/1", SCOPE),
        ("wildcard", "POST", "/orders/1", 200),
        ("reader", "GET", "/any", 200),
        ("wildcard", "GET", "/any", 200),
        ("plain", "GET", "/any", SCOPE),
        ("analyst", "GET", "/analysts", 200),
        ("admin", "GET", "/analysts", ROLE),
        ("wildcard", "GET", "/analysts", ROLE),
    ],
)
async def test_scopes_and_roles_decide(
    gateway: GatewayAuth,
    app: Echo,
    key: dict[str, str],
    kind: str,
    method: str,
    path: str,
    expected: int | tuple[int, str],
) -> None:
    answer = await call(gateway, http_scope(method, path, [("x-api-key", key[kind])]))
    assert (answer.status if expected == 200 else answer.refusal) == expected
    assert len(app.scopes) == (expected == 200)


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/orders/1", "orders:read"),
        ("POST", "/orders/1", "orders:read orders:write"),
        ("GET", "/any", "orders:export orders:read"),
    ],
)
async def test_the_challenge_names_the_scopes_needed(
    gateway: GatewayAuth, key: dict[str, str], method: str, path: str, needed: str
) -> None:
    answer = await call(gateway, http_scope(method, path, [("x-api-key", key["plain"])]))
    assert answer.refusal == SCOPE
    assert answer.only("www-authenticate") == f'Bearer realm="orders", error="insufficient_scope", scope="{needed}"'


@pytest.mark.parametrize(
    ("client", "path", "kind", "expected"),
    [
        ("10.1.2.3", "/inside", "plain", 200),
        ("::ffff:10.1.2.3", "/inside", "plain", 200),
        ("10.9.0.1", "/inside", "plain", NETWORK),
        ("192.0.2.7", "/inside", "plain", NETWORK),
        ("2001:db8::1", "/inside", "plain", NETWORK),
        (None, "/inside", "plain", NETWORK),
        ("testclient", "/inside", "plain", NETWORK),
        ("192.0.2.7", "/inside", None, NETWORK),
        ("198.51.100.9", "/known", "office", 200),
        ("192.0.2.7", "/known", "office", NETWORK),
        (None, "/known", "office", NETWORK),
        (None, "/known", "plain", 200),
    ],
)
async def test_networks_decide_by_the_peer_and_a_client_without_address_is_in_none(
    gateway: GatewayAuth,
    key: dict[str, str],
    client: str | None,
    path: str,
    kind: str | None,
    expected: int | tuple[int, str],
) -> None:
    forged = [("x-forwarded-for", "10.1.2.3"), ("forwarded", "for=198.51.100.9"), ("x-real-ip", "10.1.2.3")]
    peer = (client, 40000) if client is not None else None
    answer = await get(gateway, path, key[kind] if kind else None, forged, client=peer)
    assert (answer.status if expected == 200 else answer.refusal) == expected


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [("10.1.2.3", 200), ("10.1.2.3, 192.0.2.9", 200), ("10.1.2.3, 203.0.113.1", NETWORK), (None, NETWORK)],
)
async def test_a_trusted_proxy_tells_the_client_and_only_from_the_right(
    mount: Mount, key: dict[str, str], forwarded: str | None, expected: int | tuple[int, str]
) -> None:
    gateway = await mount(Echo(), trusted_proxies=["192.0.2.0/24"])
    answer = await get(gateway, "/inside", key["plain"], [("x-forwarded-for", forwarded)] if forwarded else [])
    assert (answer.status if expected == 200 else answer.refusal) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("origin", "https://shop.example"), ("referer", "https://shop.example/console/a")], 200),
        ([("referer", "https://shop.example/console/a?b")], 200),
        ([("origin", "https://evil.example")], REFERRER),
        ([("referer", "https://shop.example/console/../admin")], REFERRER),
        ([("referer", "https://shop.example/")], REFERRER),
        ([("referer", "https://shop.example/console/a"), ("referer", "https://evil.example/")], REFERRER),
        ([("referer", "https://shop.example.evil.example/console/")], REFERRER),
        ([], REFERRER),
    ],
)
@pytest.mark.parametrize(("path", "kind"), [("/known", "page"), ("/console", "plain")])
async def test_the_page_a_request_comes_from_decides_for_key_and_route(
    gateway: GatewayAuth,
    key: dict[str, str],
    path: str,
    kind: str,
    headers: list[tuple[str, str]],
    expected: int | tuple[int, str],
) -> None:
    answer = await get(gateway, path, key[kind], headers)
    assert (answer.status if expected == 200 else answer.refusal) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-android-package", "com.example.shop"), ("x-android-cert", CERTIFICATE)], 200),
        ([("x-ios-bundle-identifier", "com.example.Shop")], 200),
        ([("x-android-package", "com.example.shop"), ("x-android-cert", "CD" * 20)], APPLICATION),
        ([("x-android-package", "com.example.shop")], APPLICATION),
        ([("x-ios-bundle-identifier", "com.example.Other")], APPLICATION),
        ([("x-ios-bundle-identifier", "com.example.Shop"), ("x-ios-bundle-identifier", "x")], APPLICATION),
        ([], APPLICATION),
    ],
)
async def test_the_mobile_app_decides(
    gateway: GatewayAuth, key: dict[str, str], headers: list[tuple[str, str]], expected: int | tuple[int, str]
) -> None:
    answer = await get(gateway, "/known", key["phone"], headers)
    assert (answer.status if expected == 200 else answer.refusal) == expected


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/known/a", 200), ("HEAD", "/known/a", 200), ("POST", "/known/a", REQUEST), ("GET", "/optional", REQUEST)],
)
async def test_the_requests_a_key_is_for_decide(
    gateway: GatewayAuth, key: dict[str, str], method: str, path: str, expected: int | tuple[int, str]
) -> None:
    answer = await call(gateway, http_scope(method, path, [("x-api-key", key["getter"])]))
    assert (answer.status if expected == 200 else answer.refusal) == expected


@pytest.mark.parametrize("path", ["/known", "/public", "/nowhere"])
async def test_where_https_is_required_a_plain_request_is_refused_first(
    mount: Mount, app: Echo, key: dict[str, str], path: str
) -> None:
    gateway = await mount(app, require_https=True)
    forged = [("x-forwarded-proto", "https")]
    assert (await get(gateway, path, key["plain"], forged)).refusal == (403, "https_required")
    assert app.scopes == []
    expected = 403 if path == "/nowhere" else 200
    assert (await get(gateway, path, key["plain"], scheme="https")).status == expected


@pytest.mark.parametrize("proto", ["https", "HTTPS", "wss"])
async def test_a_trusted_proxy_may_say_that_the_request_came_over_https(
    mount: Mount, key: dict[str, str], proto: str
) -> None:
    gateway = await mount(Echo(), require_https=True, trusted_proxies=["192.0.2.0/24"])
    told = [("x-forwarded-proto", proto)]
    for other in ("http", "ws", "https,http", ""):
        answer = await get(gateway, "/known", key["plain"], [("x-forwarded-proto", other)])
        assert answer.refusal == (403, "https_required")
    assert (await get(gateway, "/known", key["plain"], told)).status == 200
    assert (await get(gateway, "/known", key["plain"], [*told, *told])).refusal == (403, "https_required")


async def test_a_shadow_route_lets_pass_what_it_would_refuse(
    gateway: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    assert (await get(gateway, "/shadow")).status == 200
    assert app.last["user"].is_authenticated is False
    assert (await get(gateway, "/shadow", key["plain"])).status == 200
    assert app.last["user"].key_id == key["plain"].split("_")[2]
    assert (await get(gateway, "/shadow", "gwk_nonsense")).status == 200
    assert app.values("x-auth-method") == ["anonymous"]
