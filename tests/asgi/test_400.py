"""400: requests that cannot be read without guessing, and those with more than one credential."""

from __future__ import annotations

import pytest

from gateway_auth import GatewayAuth
from tests.asgi.raw import ABSENT, call, get, http_scope
from tests.asgi.world import Echo, Mount

MALFORMED = (400, "malformed_request")
AMBIGUOUS = (400, "ambiguous_credentials")

PATHS = {
    "dot-segments": "/public/../orders/1",
    "encoded-dot-segments": "/public/%2e%2e/orders/1",
    "half-encoded-dot-segments": "/public/.%2E/orders/1",
    "single-dot": "/./public",
    "dot-segment-at-the-end": "/known/..",
    "dot-segment-with-parameter": "/public/..;/orders/1",
    "empty-segment": "//public",
    "encoded-slash": "/public%2forders",
    "backslash": "/public\\orders",
    "encoded-backslash": "/public%5Corders",
    "nul": "/public%00",
    "line-feed": "/public%0Ax",
    "double-encoding": "/public/%252e%252e/x",
    "overlong-utf-8": "/public/%c0%af",
    "broken-escape": "/public%zz",
    "trailing-dot": "/public.",
    "trailing-space": "/public%20",
    "raw-space": "/pub lic",
    "not-absolute": "public",
    "absolute-form": "http://api.test/public",
    "asterisk": "*",
    "query-in-path": "/public?x=1",
    "too-long": "/known/" + "x" * 9000,
}

HOSTS = {
    "missing": [],
    "empty": [""],
    "twice": ["api.test", "api.test"],
    "two-different": ["api.test", "other.test"],
    "with-path": ["api.test/public"],
    "with-query": ["api.test?x="],
    "with-fragment": ["api.test#"],
    "with-userinfo": ["user@api.test"],
    "with-space": ["api.test public"],
    "with-backslash": ["api.test\\public"],
    "two-joined": ["api.test,other.test:x"],
    "bad-port": ["api.test:80x"],
    "open-bracket": ["[::1"],
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
async def test_a_path_that_two_parties_may_read_differently_is_refused(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], path: str
) -> None:
    answer = await get(gateway, path, key["reader"])
    assert answer.refusal == MALFORMED
    assert app.scopes == []


async def test_the_same_paths_are_refused_where_the_server_gives_no_raw_path(
    gateway: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    # Decoding loses what an escape was, so some of them now are what they decode to; none of them names a route.
    for path in PATHS.values():
        answer = await get(gateway, path, key["reader"], raw_path=ABSENT)
        assert (path, answer.refusal) in ((path, MALFORMED), (path, (403, "no_matching_route")))
    assert app.scopes == []


@pytest.mark.parametrize("hosts", HOSTS.values(), ids=HOSTS.keys())
async def test_a_host_that_is_not_exactly_one_host_is_refused(
    gateway: GatewayAuth, app: Echo, hosts: list[str]
) -> None:
    answer = await call(gateway, http_scope("GET", "/public") | {"headers": [(b"host", h.encode()) for h in hosts]})
    assert answer.refusal == MALFORMED
    assert app.scopes == []


@pytest.mark.parametrize(
    "host", ["api.test", "API.test:8080", "[2001:db8::1]:8080", "127.0.0.1", "a_b.test", "api.test:"]
)
async def test_a_host_is_a_name_or_address_with_or_without_port(gateway: GatewayAuth, host: str) -> None:
    assert (await get(gateway, "/public", headers=[("host", host)])).status == 200


@pytest.mark.parametrize("version", ["1.0", "2", "3"])
async def test_other_versions_than_http_1_1_may_come_without_host(gateway: GatewayAuth, version: str) -> None:
    scope = http_scope("GET", "/public", http_version=version) | {"headers": []}
    assert (await call(gateway, scope)).status == 200


@pytest.mark.parametrize("method", ["get", "Get", "", "G T", "GET\r\n", "G" * 33, "GÉT"])
async def test_a_method_that_is_no_upper_case_token_is_refused(gateway: GatewayAuth, app: Echo, method: str) -> None:
    assert (await call(gateway, http_scope(method, "/public"))).refusal == MALFORMED
    assert app.scopes == []


@pytest.mark.parametrize(
    "lengths",
    [["5", "5"], ["5", "6"], ["-1"], ["+5"], ["5x"], [""], ["0x5"], ["5, 5"], ["1" * 19], ["\u0665"]],
    ids=["twice", "two", "negative", "signed", "letters", "empty", "hexadecimal", "list", "huge", "arabic"],
)
async def test_a_content_length_that_is_not_one_number_is_refused(
    gateway: GatewayAuth, app: Echo, lengths: list[str]
) -> None:
    headers = [(b"host", b"api.test"), *((b"content-length", text.encode()) for text in lengths)]
    assert (await call(gateway, http_scope("POST", "/public") | {"headers": headers})).refusal == MALFORMED
    assert app.scopes == []


async def test_a_length_and_a_transfer_coding_together_are_refused(gateway: GatewayAuth, app: Echo) -> None:
    # RFC 9112 section 6.1: an attempt at smuggling. The coding decides, so the length would declare nothing.
    headers = [("content-length", "5"), ("transfer-encoding", "chunked")]
    assert (await call(gateway, http_scope("POST", "/public", headers), b"hello")).refusal == MALFORMED
    assert app.scopes == []


async def test_more_headers_than_anybody_needs_are_refused(gateway: GatewayAuth, app: Echo) -> None:
    headers = [(f"x-{number}", "1") for number in range(201)]
    assert (await get(gateway, "/public", headers=headers)).refusal == MALFORMED
    assert app.scopes == []


async def test_a_query_of_unreasonable_length_is_refused(gateway: GatewayAuth, app: Echo) -> None:
    assert (await call(gateway, http_scope("GET", "/public", query="x" * 16385))).refusal == MALFORMED
    assert app.scopes == []


@pytest.mark.parametrize("value", ["", ",", "192.0.2.1, nonsense", "256.1.1.1", "1.2.3.4,,192.0.2.9", "unknown"])
async def test_a_forwarding_header_of_a_trusted_proxy_that_cannot_be_read_is_refused(
    mount: Mount, app: Echo, value: str
) -> None:
    gateway = await mount(app, trusted_proxies=["192.0.2.0/24"])
    answer = await get(gateway, "/public", headers=[("x-forwarded-for", value)])
    if value:
        assert answer.refusal == MALFORMED
        assert app.scopes == []
    else:
        assert answer.status == 200


TWO_CREDENTIALS = {
    "header-twice": [("x-api-key", "{0}"), ("x-api-key", "{0}")],
    "header-and-bearer": [("x-api-key", "{0}"), ("authorization", "Bearer {0}")],
    "two-authorizations": [("authorization", "Bearer {0}"), ("authorization", "Bearer {0}")],
    "different-letter-case": [("X-Api-Key", "{0}"), ("x-api-key", "{0}")],
    "key-and-basic": [("x-api-key", "{0}"), ("authorization", "Basic dTpw")],
    "key-and-token": [("x-api-key", "{0}"), ("authorization", "Bearer a.b.c")],
}


@pytest.mark.parametrize("headers", TWO_CREDENTIALS.values(), ids=TWO_CREDENTIALS.keys())
@pytest.mark.parametrize("path", ["/orders/1", "/optional"])
async def test_more_than_one_credential_is_refused_even_if_each_is_good(
    gateway: GatewayAuth, app: Echo, key: dict[str, str], headers: list[tuple[str, str]], path: str
) -> None:
    presented = [(name, value.format(key["reader"])) for name, value in headers]
    answer = await get(gateway, path, headers=presented)
    assert answer.refusal == AMBIGUOUS
    assert app.scopes == []


async def test_an_empty_header_is_no_second_credential(gateway: GatewayAuth, key: dict[str, str]) -> None:
    assert (await get(gateway, "/orders/1", key["reader"], [("authorization", "")])).status == 200
