"""The checks in their order: each earlier refusal hides the later ones."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from gateway_auth.core import decide
from gateway_auth.core import headers as h
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.keys import compile_key
from gateway_auth.core.network import AddressSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import ANONYMOUS, Principal, build_principal
from gateway_auth.core.referrer import ReferrerPattern
from gateway_auth.core.request import RequestFacts
from tests.fakes import CLIENT, a_key, an_app, request

OPEN = Policy(id="open", path="/orders")
PAGES = (ReferrerPattern("https://app.example.com"),)


def known(*scopes: str, roles: tuple[str, ...] = ()) -> Principal:
    return build_principal(subject="alice", method="api_key", scopes=frozenset(scopes), roles=frozenset(roles))


def reason(denial: Deny | None) -> str | None:
    return None if denial is None else str(denial.reason)


def policy(**fields: object) -> Policy:
    return Policy(id="p", path="/orders", **fields)  # type: ignore[arg-type] # a table's columns


@pytest.mark.parametrize(
    ("demands", "facts", "expected"),
    [
        ({}, request(), None),
        ({}, request(client=None), None),
        ({"allow_networks": AddressSet([CLIENT])}, request(), None),
        ({"allow_networks": AddressSet(["10.0.0.0/8"])}, request(), "network_not_allowed"),
        ({"deny_networks": AddressSet([CLIENT])}, request(), "network_not_allowed"),
        ({"deny_networks": AddressSet(["10.0.0.0/8"])}, request(client=None), "network_not_allowed"),
        ({}, request(is_websocket=True), "request_not_allowed"),
        ({"is_websocket": True}, request(is_websocket=True), None),
        ({"deny_networks": AddressSet([CLIENT])}, request(is_websocket=True), "network_not_allowed"),
    ],
)
def test_networks_and_upgrades_are_judged_before_any_proof(
    demands: dict[str, object], facts: RequestFacts, expected: str | None
) -> None:
    assert reason(decide.before_verify(policy(**demands), facts)) == expected


@pytest.mark.parametrize(
    ("fields", "app_status", "expected"),
    [
        ({"status": "disabled"}, "active", Reason.CREDENTIAL_DISABLED),
        ({}, "disabled", Reason.CREDENTIAL_DISABLED),
        ({"status": "revoked"}, "active", Reason.CREDENTIAL_REVOKED),
        ({"expires_at": 100}, "active", Reason.CREDENTIAL_EXPIRED),
        ({"retires_at": 100}, "active", Reason.CREDENTIAL_DISABLED),
        ({"not_before": 101}, "active", Reason.CREDENTIAL_DISABLED),
        ({"status": "revoked", "expires_at": 1}, "disabled", Reason.CREDENTIAL_REVOKED),
        ({"status": "disabled", "expires_at": 1}, "active", Reason.CREDENTIAL_EXPIRED),
    ],
)
def test_an_unusable_key_says_why(fields: dict[str, Any], app_status: str, expected: Reason) -> None:
    key = compile_key(a_key(**fields).record, an_app(status=app_status), {}, {}, 100.0)
    assert decide.unusable_reason(key, 100.0) is expected


# Each rule, and the request's part that breaks it. The order is the contract's.
BROKEN: dict[str, dict[str, Any]] = {
    "network_not_allowed": {"allow_networks": ("10.0.0.0/8",)},
    "referrer_not_allowed": {"allow_referrers": ("https://app.example.com",)},
    "application_not_allowed": {"allow_ios": ("com.example.App",)},
    "request_not_allowed": {"allow_requests": ("POST /orders",)},
}


@pytest.mark.parametrize(("first", "second"), list(combinations(BROKEN, 2)))
def test_restrictions_are_told_in_order(first: str, second: str) -> None:
    rules = compile_key(a_key(**BROKEN[first], **BROKEN[second]).record, an_app(), {}, {}, 0.0).restrictions
    assert rules is not None
    denial = decide.key_restrictions(OPEN, rules, ANONYMOUS, request())
    assert reason(denial) == first


@pytest.mark.parametrize("rule", BROKEN)
def test_each_restriction_refuses_alone(rule: str) -> None:
    rules = compile_key(a_key(**BROKEN[rule]).record, an_app(), {}, {}, 0.0).restrictions
    assert rules is not None
    assert reason(decide.key_restrictions(OPEN, rules, ANONYMOUS, request())) == rule


def test_a_request_that_meets_every_restriction_passes() -> None:
    record = a_key(
        allow_networks=(CLIENT,),
        deny_networks=("10.0.0.0/8",),
        allow_referrers=("https://app.example.com",),
        allow_ios=("com.example.App",),
        allow_requests=("GET /orders",),
    ).record
    rules = compile_key(record, an_app(), {}, {}, 0.0).restrictions
    assert rules is not None
    facts = request(headers={h.ORIGIN: b"https://app.example.com", h.IOS_BUNDLE: b"com.example.App"})
    assert decide.key_restrictions(OPEN, rules, ANONYMOUS, facts) is None


AUTHORIZED: dict[str, tuple[Policy, Principal, RequestFacts, str | None]] = {
    "nothing demanded of nobody": (policy(), ANONYMOUS, request(), None),
    "a scope of nobody": (policy(scopes=frozenset("a")), ANONYMOUS, request(), "insufficient_scope"),
    "a role of nobody": (policy(roles=frozenset("a")), ANONYMOUS, request(), "insufficient_role"),
    "all of the scopes": (policy(scopes=frozenset("ab")), known("a", "b", "c"), request(), None),
    "one of two scopes": (policy(scopes=frozenset("ab")), known("a"), request(), "insufficient_scope"),
    "a scope by wildcard": (policy(scopes=frozenset(("a:x", "b"))), known("a:*", "b"), request(), None),
    "any of the scopes": (policy(any_scopes=frozenset("ab")), known("b"), request(), None),
    "any of them by wildcard": (policy(any_scopes=frozenset(("a:x", "b"))), known("a:*"), request(), None),
    "none of any": (policy(any_scopes=frozenset("ab")), known("c"), request(), "insufficient_scope"),
    "all and none of any": (
        policy(scopes=frozenset("a"), any_scopes=frozenset("bc")),
        known("a"),
        request(),
        "insufficient_scope",
    ),
    "all and one of any": (policy(scopes=frozenset("a"), any_scopes=frozenset("bc")), known("a", "c"), request(), None),
    "a role": (policy(roles=frozenset(("x", "y"))), known(roles=("y",)), request(), None),
    "another role": (policy(roles=frozenset(("x", "y"))), known(roles=("z",)), request(), "insufficient_role"),
    "a scope called like the role": (policy(roles=frozenset("x")), known("x"), request(), "insufficient_role"),
    "scope before role": (
        policy(scopes=frozenset("a"), roles=frozenset("x")),
        known(),
        request(),
        "insufficient_scope",
    ),
    "a page": (policy(referrers=PAGES), known(), request(headers={h.ORIGIN: b"https://app.example.com"}), None),
    "no page": (policy(referrers=PAGES), known(), request(), "referrer_not_allowed"),
    "page before scope": (policy(referrers=PAGES, scopes=frozenset("a")), known(), request(), "referrer_not_allowed"),
}


@pytest.mark.parametrize(("demands", "who", "facts", "expected"), AUTHORIZED.values(), ids=AUTHORIZED)
def test_a_principal_meets_what_the_route_demands(
    demands: Policy, who: Principal, facts: RequestFacts, expected: str | None
) -> None:
    denial = decide.authorization(demands, who, facts)
    assert reason(denial) == expected
    assert denial is None or (denial.policy, denial.principal) == (demands, who)
