"""CORS preflights: browsers send them without credentials, so they pass as anonymous, and as nothing else."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway_auth import GatewayAuth
from tests.asgi.raw import call, http_scope
from tests.asgi.world import Echo, Mount

PREFLIGHT = [("origin", "https://shop.example"), ("access-control-request-method", "GET")]


@pytest.mark.parametrize("path", ["/known", "/orders/1", "/analysts", "/any", "/limited", "/public", "/optional"])
async def test_a_preflight_goes_on_as_anonymous_whatever_the_route_demands(
    gateway: GatewayAuth, app: Echo, path: str
) -> None:
    assert (await call(gateway, http_scope("OPTIONS", path, PREFLIGHT))).status == 200
    assert app.last["user"].is_authenticated is False
    assert app.values("x-auth-method") == ["anonymous"]


async def test_a_preflight_with_credentials_goes_on_without_them(
    gateway: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    for path in ("/known", "/keeping"):
        headers = [*PREFLIGHT, ("x-api-key", key["reader"]), ("x-auth-subject", "admin")]
        assert (await call(gateway, http_scope("OPTIONS", path, headers))).status == 200
        assert app.last["user"].is_authenticated is False
        assert app.values("x-api-key") == app.values("x-auth-subject") == []


async def test_a_preflight_is_judged_by_the_route_of_the_method_it_asks_for(gateway: GatewayAuth, app: Echo) -> None:
    for method, status in (("GET", 200), ("POST", 200), ("DELETE", 403), ("TRACE", 403), ("nonsense\xff", 403)):
        headers = [("origin", "https://shop.example"), ("access-control-request-method", method)]
        assert (await call(gateway, http_scope("OPTIONS", "/orders/1", headers))).status == status


async def test_networks_hold_for_preflights_too(gateway: GatewayAuth, app: Echo) -> None:
    assert (await call(gateway, http_scope("OPTIONS", "/inside", PREFLIGHT))).refusal == (403, "network_not_allowed")
    assert (await call(gateway, http_scope("OPTIONS", "/inside", PREFLIGHT, client=("10.0.0.1", 1)))).status == 200


@pytest.mark.parametrize(
    "headers",
    [PREFLIGHT[:1], PREFLIGHT[1:], [PREFLIGHT[0], ("access-control-request-method", "")], []],
    ids=["no-method", "no-origin", "empty-method", "neither"],
)
async def test_an_options_request_that_is_no_preflight_is_judged_like_any_other(
    gateway: GatewayAuth, app: Echo, headers: list[tuple[str, str]]
) -> None:
    assert (await call(gateway, http_scope("OPTIONS", "/known", headers))).refusal == (401, "credential_required")
    assert (await call(gateway, http_scope("OPTIONS", "/orders/1", headers))).refusal == (403, "no_matching_route")
    assert app.scopes == []


async def test_a_preflight_to_nowhere_is_refused(gateway: GatewayAuth) -> None:
    assert (await call(gateway, http_scope("OPTIONS", "/nowhere", PREFLIGHT))).refusal == (403, "no_matching_route")


async def test_the_headers_of_a_preflight_pass_no_other_method(gateway: GatewayAuth, app: Echo) -> None:
    for method in ("GET", "POST", "HEAD", "QUERY"):
        assert (await call(gateway, http_scope(method, "/known", PREFLIGHT))).refusal == (401, "credential_required")
    assert app.scopes == []


async def test_where_preflights_are_denied_they_need_a_credential(
    gateway: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    assert (await call(gateway, http_scope("OPTIONS", "/strict", PREFLIGHT))).refusal == (401, "credential_required")
    headers = [*PREFLIGHT, ("x-api-key", key["plain"])]
    assert (await call(gateway, http_scope("OPTIONS", "/strict", headers))).status == 200
    assert app.last["user"].is_authenticated is True


async def test_the_cors_middleware_behind_answers_it(mount: Mount, key: dict[str, str]) -> None:
    async def read(request: Request) -> Response:
        return PlainTextResponse("order")

    cors = Middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_headers=["x-api-key"])
    gateway = await mount(Starlette(routes=[Route("/orders/{id}", read)], middleware=[cors]))
    answer = await call(gateway, http_scope("OPTIONS", "/orders/1", PREFLIGHT))
    assert answer.status == 200
    assert answer.only("access-control-allow-origin") == "https://shop.example"
    request = [("origin", "https://shop.example"), ("x-api-key", key["reader"])]
    assert (await call(gateway, http_scope("GET", "/orders/1", request))).body == b"order"
