"""429: limits of routes and plans, and the brake on guessing."""

from __future__ import annotations

import re

import pytest

from gateway_auth import GatewayAuth
from tests.asgi.raw import Answer, call, get, http_scope
from tests.asgi.world import Echo, Mount

LIMITED = (429, "rate_limited")
BRAKED = (429, "too_many_failures")


def remaining(answer: Answer, name: str) -> int:
    """What the RateLimit header says is left."""
    match = re.search(rf'"{name}";r=(\d+);t=\d+', answer.only("ratelimit"))
    assert match is not None
    return int(match[1])


async def test_a_limit_counts_down_and_then_refuses_until_retry_after(
    gateway: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    answers = [await get(gateway, "/limited", key["plain"]) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [remaining(answer, "per-key") for answer in answers] == [1, 0, 0]
    assert {answer.only("ratelimit-policy") for answer in answers} == {'"per-key";q=2;w=60'}
    assert answers[2].refusal == LIMITED
    assert 1 <= int(answers[2].only("retry-after")) <= 60
    assert answers[2].problem["violated-policies"] == ["per-key"]
    assert answers[2].values("www-authenticate") == []
    assert len(app.scopes) == 2


async def test_another_key_has_a_count_of_its_own(gateway: GatewayAuth, key: dict[str, str]) -> None:
    for _ in range(3):
        await get(gateway, "/limited", key["plain"])
    assert (await get(gateway, "/limited", key["reader"])).status == 200


async def test_a_plan_limits_the_app_on_every_route_and_joins_the_routes_own(
    gateway: GatewayAuth, key: dict[str, str]
) -> None:
    first = await get(gateway, "/known", key["metered"])
    assert first.only("ratelimit-policy") == '"plan";q=3;w=3600'
    second = await get(gateway, "/limited", key["metered"])
    assert second.only("ratelimit-policy") == '"per-key";q=2;w=60, "plan";q=3;w=3600'
    assert (remaining(second, "per-key"), remaining(second, "plan")) == (1, 1)
    assert (await get(gateway, "/known", key["metered"])).status == 200
    refused = await get(gateway, "/limited", key["metered"])
    assert refused.refusal == LIMITED
    assert refused.problem["violated-policies"] == ["plan"]
    assert remaining(refused, "per-key") == 1


async def test_a_refused_request_costs_nothing(gateway: GatewayAuth, key: dict[str, str]) -> None:
    routes_refusing = [
        ("/orders/1", "metered"),
        ("/analysts", "metered"),
        ("/nowhere", "metered"),
        ("/inside", "metered"),
    ]
    for path, kind in routes_refusing * 2:
        assert (await get(gateway, path, key[kind])).status == 403
    assert remaining(await get(gateway, "/known", key["metered"]), "plan") == 2


async def test_a_route_without_limits_says_nothing_of_limits(gateway: GatewayAuth, key: dict[str, str]) -> None:
    answer = await get(gateway, "/known", key["plain"])
    assert answer.values("ratelimit") == answer.values("ratelimit-policy") == []


async def test_anonymous_callers_are_counted_by_address(mount: Mount) -> None:
    limits = [{"rate": "1/minute", "by": "address"}]
    gateway = await mount(Echo(), routes=[{"id": "p", "path": "/p", "access": "public", "limits": limits}])
    statuses = [(await get(gateway, "/p", client=(host, 1))).status for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert statuses == [200, 429, 200]
    statuses = [
        (await get(gateway, "/p", client=(host, 1))).status
        for host in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    ]
    assert statuses == [200, 429, 200]


async def test_a_forged_forwarding_header_starts_no_new_count(mount: Mount) -> None:
    limits = [{"rate": "1/minute", "by": "address"}]
    gateway = await mount(Echo(), routes=[{"id": "p", "path": "/p", "access": "public", "limits": limits}])
    statuses = [(await get(gateway, "/p", headers=[("x-forwarded-for", f"10.0.0.{n}")])).status for n in range(3)]
    assert statuses == [200, 429, 429]


@pytest.fixture
async def braked(mount: Mount, app: Echo) -> GatewayAuth:
    """The middleware where an address has two bad guesses a minute."""
    return await mount(app, failed_auth={"rate": "2/minute"})


async def test_an_address_that_guesses_waits_and_others_do_not(
    braked: GatewayAuth, app: Echo, key: dict[str, str]
) -> None:
    answers = [await get(braked, "/known", f"gwk_nonsense{n}") for n in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]
    assert answers[2].refusal == BRAKED
    assert int(answers[2].only("retry-after")) >= 1
    assert (await get(braked, "/known", key["plain"])).refusal == BRAKED
    assert (await get(braked, "/known", key["plain"], client=("198.51.100.1", 1))).status == 200
    assert len(app.scopes) == 1


async def test_a_braked_address_still_reaches_what_is_public(braked: GatewayAuth) -> None:
    for n in range(3):
        await get(braked, "/known", f"gwk_nonsense{n}")
    assert (await get(braked, "/public")).status == 200


async def test_one_success_lets_go_of_the_brake(braked: GatewayAuth, key: dict[str, str]) -> None:
    for credential in ("gwk_nonsense", key["plain"], "gwk_nonsense", key["plain"], "gwk_nonsense"):
        assert (await get(braked, "/known", credential)).status in (200, 401)
    assert (await get(braked, "/known", key["plain"])).status == 200


async def test_to_present_nothing_is_no_guess(braked: GatewayAuth, key: dict[str, str]) -> None:
    for _ in range(4):
        assert (await get(braked, "/known")).status == 401
    assert (await get(braked, "/known", key["plain"])).status == 200


async def test_the_brake_can_be_turned_off(mount: Mount) -> None:
    gateway = await mount(Echo(), failed_auth=False)
    assert {(await get(gateway, "/known", f"gwk_nonsense{n}")).status for n in range(25)} == {401}


async def test_a_websocket_is_counted_like_a_request(mount: Mount, key: dict[str, str]) -> None:
    limits = [{"id": "few", "rate": "1/minute", "by": "key"}]
    gateway = await mount(Echo(), routes=[{"id": "s", "path": "/s", "websocket": True, "limits": limits}])
    headers = [("x-api-key", key["plain"])]
    assert (await call(gateway, http_scope("GET", "/s", headers))).status == 200
    assert (await call(gateway, http_scope("GET", "/s", headers))).refusal == LIMITED
    scope = http_scope("GET", "/s", headers) | {"type": "websocket", "scheme": "ws"}
    answer = await call(gateway, scope | {"extensions": {"websocket.http.response": {}}})
    assert answer.refusal == LIMITED
    assert int(answer.only("retry-after")) >= 1
