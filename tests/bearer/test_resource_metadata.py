"""How a refused client finds the issuer (RFC 9728): the challenge, and the document it points at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway_auth import GatewayAuth
from gateway_auth.core.resource import METADATA_PATH
from tests.asgi.raw import Answer, call, get, http_scope
from tests.asgi.world import Echo
from tests.bearer.conftest import Start, bearer, issuer_table
from tests.bearer.issuing import TokenIssuer


def told(answer: Answer) -> str:
    """The address in the Bearer challenge; empty where there is none."""
    (challenge,) = [value for value in answer.values("www-authenticate") if value.startswith("Bearer ")]
    return challenge.partition('resource_metadata="')[2].partition('"')[0]


async def document(gateway: GatewayAuth, address: str, **changes: Any) -> dict[str, Any]:
    """The metadata at an address of `http://api.test`."""
    assert address.startswith("http://api.test/")
    answer = await get(gateway, address.removeprefix("http://api.test"), **changes)
    assert answer.status == 200
    assert answer.only("content-type") == "application/json"
    assert answer.only("access-control-allow-origin") == "*"
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_a_refused_client_finds_issuer_and_scopes(gateway: GatewayAuth, issuer: TokenIssuer, app: Echo) -> None:
    answer = await get(gateway, "/orders/1")
    assert answer.refusal == (401, "credential_required")
    assert told(answer) == f"http://api.test{METADATA_PATH}/orders/1"
    assert await document(gateway, told(answer)) == {
        "resource": "http://api.test/orders/1",
        "resource_name": "orders",
        "authorization_servers": [issuer.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["orders:read"],
    }
    assert app.scopes == []


async def test_every_refusal_with_a_challenge_tells_it(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    assert told(await get(gateway, "/known", headers=bearer("nonsense"))).endswith("/known")
    assert told(await get(gateway, "/orders/1", headers=bearer(issuer.token(scope="x")))).endswith("/orders/1")


async def test_the_whole_api_has_a_document(gateway: GatewayAuth) -> None:
    found = await document(gateway, f"http://api.test{METADATA_PATH}")
    assert found["resource"] == "http://api.test"
    assert found["scopes_supported"] == ["orders:read"]


async def test_https_is_told_as_https(gateway: GatewayAuth) -> None:
    assert told(await get(gateway, "/known", scheme="https")).startswith("https://api.test/")


async def test_under_a_mount_the_address_stays_under_it(gateway: GatewayAuth) -> None:
    answer = await get(gateway, "/base/known", root_path="/base")
    assert told(answer) == f"http://api.test/base{METADATA_PATH}/known"
    found = await document(gateway, told(answer), root_path="/base")
    assert found["resource"] == "http://api.test/base/known"


async def test_a_fixed_resource_is_told_whatever_host_was_called(
    start: Start, issuer: TokenIssuer, tmp_path: Path
) -> None:
    gateway = await start([issuer_table(issuer, tmp_path)], resource="https://api.example/v1")
    answer = await get(gateway, "/known", headers=[("host", "evil.example")])
    assert told(answer) == f"https://api.example{METADATA_PATH}/v1"
    found = await document(gateway, f"http://api.test{METADATA_PATH}/v1")
    assert found["resource"] == "https://api.example/v1"
    assert found["scopes_supported"] == ["orders:read"]


async def test_a_fixed_resource_tells_the_scopes_of_its_own_path_alone(
    start: Start, issuer: TokenIssuer, tmp_path: Path
) -> None:
    gateway = await start([issuer_table(issuer, tmp_path)], resource="https://api.example/known")
    found = await document(gateway, f"http://api.test{METADATA_PATH}/known")
    assert found["resource"] == "https://api.example/known"
    assert "scopes_supported" not in found


@pytest.mark.parametrize("path", ["/nowhere", "/keys", "/public/x"])
async def test_a_path_without_tokens_has_no_document(gateway: GatewayAuth, path: str) -> None:
    answer = await get(gateway, METADATA_PATH + path)
    assert answer.refusal == (403, "no_matching_route")


async def test_a_page_may_ask_first(gateway: GatewayAuth) -> None:
    headers = [("origin", "https://page.example"), ("access-control-request-method", "GET")]
    answer = await call(gateway, http_scope("OPTIONS", METADATA_PATH, headers))
    assert answer.status == 204
    assert answer.only("access-control-allow-headers") == "*"


async def test_head_has_no_body(gateway: GatewayAuth) -> None:
    answer = await call(gateway, http_scope("HEAD", METADATA_PATH))
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.only("content-length")) > 0


async def test_other_methods_are_not_routed(gateway: GatewayAuth) -> None:
    assert (await call(gateway, http_scope("POST", METADATA_PATH))).refusal == (403, "no_matching_route")


async def test_a_client_without_host_is_told_no_address(gateway: GatewayAuth) -> None:
    scope = http_scope("GET", "/known", http_version="1.0")
    scope["headers"] = []
    assert told(await call(gateway, scope)) == ""


async def test_without_issuers_nothing_is_told(start: Start) -> None:
    gateway = await start([])
    answer = await get(gateway, "/keys")
    assert answer.values("www-authenticate") == ['Bearer realm="orders"', 'ApiKey realm="orders"']
    assert (await get(gateway, METADATA_PATH)).refusal == (403, "no_matching_route")


async def test_a_long_path_is_answered_for_the_whole_api(gateway: GatewayAuth) -> None:
    answer = await get(gateway, "/known/" + "a" * 3000)
    assert told(answer) == f"http://api.test{METADATA_PATH}"


@pytest.mark.parametrize(
    ("path", "host"),
    [
        pytest.param("/known", "gwk_live_0123456789ab_secret", id="as host"),
        pytest.param("/known", "gwk%5flive_0123456789ab_secret", id="as host, encoded"),
        pytest.param("/known/gwk_live_0123456789ab_secret", "api.test", id="in the path"),
    ],
)
async def test_a_key_in_the_wrong_place_is_not_repeated(gateway: GatewayAuth, path: str, host: str) -> None:
    answer = await get(gateway, path, headers=[("host", host)])
    assert answer.status == 401
    assert told(answer) == ""
    document = await get(gateway, METADATA_PATH + path, headers=[("host", host)])
    assert document.status == 403
    assert b"secret" not in document.body
