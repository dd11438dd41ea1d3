"""The order of checks (contract, section 5): of two things wrong with a request, the earlier one is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import pytest

from gateway_auth.core import headers as h
from gateway_auth.core.decision import Allow, Decision, Deny
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.network import AddressSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.rates import parse_rate
from gateway_auth.core.referrer import ReferrerPattern
from tests.fakes import CLIENT, World, a_key, address, limit, request, told, wrong_secret


@dataclass
class Defect:
    """One thing wrong, spread over configuration, key and request. `is_known`: the answer may say whose it was."""

    reason: str
    is_known: bool = True
    rules: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    key: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    is_braked: bool = False
    is_secret_wrong: bool = False


# In the order in which they must be told.
DEFECTS = {
    "plain-http": Defect("https_required", False, rules={"is_https_required": True}),
    "no-route": Defect("no_matching_route", False, request={"path": "/nowhere"}),
    "route-network": Defect("network_not_allowed", False, policy={"deny_networks": AddressSet([CLIENT])}),
    "upgrade": Defect("request_not_allowed", False, request={"is_websocket": True}),
    "brake": Defect("too_many_failures", False, is_braked=True),
    "key-in-url": Defect("credential_in_url", False, request={"query": b"k=" + a_key().text.encode()}),
    "two-credentials": Defect("ambiguous_credentials", False, request={"headers": {h.REPEATED_CREDENTIAL: b""}}),
    "wrong-secret": Defect("invalid_credential", False, is_secret_wrong=True),
    "revoked": Defect("credential_revoked", key={"status": "revoked"}),
    "key-network": Defect("network_not_allowed", key={"deny_networks": (CLIENT,)}),
    "key-page": Defect("referrer_not_allowed", key={"allow_referrers": ("https://app.example.com",)}),
    "key-app": Defect("application_not_allowed", key={"allow_ios": ("com.example.App",)}),
    "key-request": Defect("request_not_allowed", key={"allow_requests": ("DELETE /*",)}),
    "route-page": Defect("referrer_not_allowed", policy={"referrers": (ReferrerPattern("https://app.example.com"),)}),
    "scope": Defect("insufficient_scope", policy={"scopes": frozenset(("orders:read",))}),
    "role": Defect("insufficient_role", policy={"roles": frozenset(("analyst",))}),
    "body": Defect("body_too_large", rules={"max_body_bytes": 100}, request={"body_bytes": 101}),
    "limit": Defect("rate_limited", policy={"limits": LimitSet((limit("never", "0/minute"),))}),
}


async def decide(is_warm: bool, *defects: Defect) -> Decision:
    def merged(part: str) -> dict[str, Any]:
        return {name: value for defect in defects for name, value in getattr(defect, part).items()}

    policy = Policy(id="orders", path="/orders", **merged("policy"))
    world = World((policy,), brake_rate=parse_rate("1/minute"), rules=merged("rules"))
    key = world.add_key(**merged("key"))
    if is_warm:
        await world.warm(key)
    if any(defect.is_braked for defect in defects):
        world.brake.failed(address(CLIENT))
    is_secret_wrong = any(defect.is_secret_wrong for defect in defects)
    facts = request(key=wrong_secret(key) if is_secret_wrong else key.text, **merged("request"))
    return world.begin(facts) if is_warm else await world.decide(facts)


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_a_request_with_nothing_wrong_passes(is_warm: bool) -> None:
    assert isinstance(await decide(is_warm), Allow)


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("name", DEFECTS)
async def test_each_defect_is_told(name: str, is_warm: bool) -> None:
    decision = await decide(is_warm, DEFECTS[name])
    assert told(decision) == DEFECTS[name].reason
    assert isinstance(decision, Deny)
    assert (decision.principal is not None) is DEFECTS[name].is_known


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(("first", "second"), list(combinations(DEFECTS, 2)))
async def test_the_earlier_of_two_defects_is_told(first: str, second: str, is_warm: bool) -> None:
    decision = await decide(is_warm, DEFECTS[second], DEFECTS[first])
    assert told(decision) == DEFECTS[first].reason
    assert isinstance(decision, Deny)
    assert (decision.principal is not None) is DEFECTS[first].is_known
