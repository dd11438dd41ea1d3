"""A route in shadow mode refuses nobody and says what it would have done."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway_auth.core import headers as h
from gateway_auth.core.decision import Allow
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.network import AddressSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.rates import parse_rate
from tests.fakes import CLIENT, Minted, World, a_key, address, limit, request, told


def shadow(**demands: Any) -> Policy:
    return Policy(id="shadow", path="/orders", is_shadow=True, **demands)


# (demands of the route, fields of the key, what would have been told): the caller is proven and stays who it is
PROVEN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "scope": ({"scopes": frozenset("a")}, {}, "insufficient_scope"),
    "role": ({"roles": frozenset("a")}, {}, "insufficient_role"),
    "limit": ({"limits": LimitSet((limit("never", "0/minute"),))}, {}, "rate_limited"),
    "network": ({}, {"deny_networks": (CLIENT,)}, "network_not_allowed"),
    "page": ({}, {"allow_referrers": ("https://app.example.com",)}, "referrer_not_allowed"),
    "app": ({}, {"allow_ios": ("com.example.App",)}, "application_not_allowed"),
    "request": ({}, {"allow_requests": ("PUT /*",)}, "request_not_allowed"),
}


@pytest.mark.parametrize("is_distant", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize(("demands", "fields", "reason"), PROVEN.values(), ids=PROVEN)
async def test_who_was_proven_passes_as_itself(
    demands: dict[str, Any], fields: dict[str, Any], reason: str, is_distant: bool
) -> None:
    world = World((shadow(**demands),), are_limits_distant=is_distant)
    key = world.add_key(**fields)
    for _ in range(2):
        decision = await world.decide(request(key=key.text))
        assert isinstance(decision, Allow)
        assert (decision.shadowed, decision.principal.key_id) == (reason, key.id)


UNPROVEN = [
    "nothing",
    "rubbish",
    "disabled",
    "expired",
    "revoked",
    "repeated",
    "braked",
    "outage",
    "upgrade",
    "outside",
]


@pytest.mark.parametrize("case", UNPROVEN)
async def test_who_was_not_proven_or_may_not_be_used_passes_as_nobody(case: str) -> None:
    demands = {"deny_networks": AddressSet([CLIENT])} if case == "outside" else {}
    world = World((shadow(**demands),), brake_rate=parse_rate("1/minute"))
    key = world.add_key(
        status={"disabled": "disabled", "revoked": "revoked"}.get(case, "active"),
        expires_at=1 if case == "expired" else None,
    )
    facts, reason = prepared(world, case, key)
    decision = await world.decide(facts)
    assert isinstance(decision, Allow)
    assert decision.shadowed == reason
    assert decision.principal.method == "anonymous"


def prepared(world: World, case: str, key: Minted) -> tuple[Any, str]:
    if case == "braked":
        world.brake.failed(address(CLIENT))
    if case == "outage":
        world.store.go_down()
    return {
        "nothing": (request(), "credential_required"),
        "rubbish": (request(key="rubbish"), "invalid_credential"),
        "disabled": (request(key=key.text), "credential_disabled"),
        "expired": (request(key=key.text), "credential_expired"),
        "revoked": (request(key=key.text), "credential_revoked"),
        "repeated": (request(key=key.text, headers={h.REPEATED_CREDENTIAL: b""}), "ambiguous_credentials"),
        "braked": (request(key=key.text), "too_many_failures"),
        "outage": (request(key=key.text), "dependency_unavailable"),
        "upgrade": (request(key=key.text, is_websocket=True), "request_not_allowed"),
        "outside": (request(key=key.text), "network_not_allowed"),
    }[case]


async def test_what_would_have_passed_is_not_marked() -> None:
    world = World((shadow(),))
    key = world.add_key()
    decision = await world.decide(request(key=key.text))
    assert isinstance(decision, Allow)
    assert (decision.shadowed, decision.principal.key_id) == (None, key.id)


async def test_what_has_no_route_is_refused_beside_shadows() -> None:
    world = World((shadow(),), rules={"is_https_required": True})
    assert told(world.begin(request(is_tls=True, path="/nowhere"))) == "no_matching_route"
    assert told(world.begin(request())) == "https_required"


async def test_a_key_in_the_url_and_a_body_beyond_the_cap_are_refused_even_in_shadow() -> None:
    world = World((shadow(),), rules={"max_body_bytes": 100})
    key = world.add_key()
    assert told(await world.decide(request(key=key.text, query=key.text.encode()))) == "credential_in_url"
    assert told(await world.decide(request(key=key.text, body_bytes=101))) == "body_too_large"


@pytest.mark.parametrize("case", ["braked", "upgrade", "outside"])
async def test_what_is_refused_before_the_query_is_read_lets_no_key_in_it_pass(case: str) -> None:
    world = World((shadow(deny_networks=AddressSet([CLIENT] if case == "outside" else [])),))
    key = world.add_key()
    if case == "braked":
        for _ in range(100):
            world.brake.failed(address(CLIENT))
    facts = request(key=key.text, query=b"k=" + key.text.encode(), is_websocket=case == "upgrade")
    assert told(await world.decide(facts)) == "credential_in_url"


@pytest.mark.parametrize("is_distant", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize("demands", [{"scopes": frozenset("a")}, {"limits": LimitSet((limit("never", "0/minute"),))}])
async def test_what_shadow_lets_pass_still_keeps_to_the_cap(demands: dict[str, Any], is_distant: bool) -> None:
    world = World((shadow(**demands),), rules={"max_body_bytes": 100}, are_limits_distant=is_distant)
    key = world.add_key()
    for _ in range(2):
        assert told(await world.decide(request(key=key.text, body_bytes=101))) == "body_too_large"
        assert told(await world.decide(request(key=key.text, body_bytes=100))) == "allow"
        assert told(await world.decide(request(key="rubbish", body_bytes=101))) == "body_too_large"


async def test_routes_that_enforce_are_not_touched_by_one_in_shadow() -> None:
    strict = replace_path(shadow(scopes=frozenset("a")), "/strict")
    world = World((shadow(), strict))
    key = world.add_key()
    assert told(await world.decide(request(path="/strict", key=key.text))) == "insufficient_scope"


def replace_path(policy: Policy, path: str) -> Policy:
    return replace(policy, id="strict", path=path, is_shadow=False)


async def test_a_key_exposed_on_a_route_in_shadow_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody has to replace that key, whether its request passed or not."""
    world = World((shadow(access="public"),))
    exposed = a_key()
    decision = world.begin(request(query=b"k=" + exposed.text.encode()))
    world.recorder.record(decision, request(), "req-1", "")
    assert f"key_id={exposed.id}" in caplog.text
