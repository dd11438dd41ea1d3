"""What a stored key comes to at a moment: its status to the second, its grants, and where it works."""

from __future__ import annotations

from math import inf, nextafter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway_auth.core import headers as h
from gateway_auth.core.keys import AppRecord, Grant, KeyRecord, RequestPattern, VerifiedKey, compile_key, status_at
from gateway_auth.core.limits import NO_LIMITS, LimitSet
from tests.fakes import a_key, an_app, limit, request

SCOPES_OF: dict[str, tuple[str, ...]] = {"reader": ("orders:read",)}


def compiled(record: KeyRecord, app: AppRecord | None = None, plans: dict[str, LimitSet] | None = None) -> VerifiedKey:
    return compile_key(record, app or an_app(), SCOPES_OF, plans or {}, 100.0)


def is_usable(key: VerifiedKey, now: float) -> bool:
    return key.is_active and key.usable_from <= now < key.usable_until


# (stored status, expires_at, retires_at, status at 99.999…, status at 100)
STATUSES = {
    "active for ever": ("active", None, None, "active", "active"),
    "expires": ("active", 100, None, "active", "expired"),
    "retires": ("active", None, 100, "active", "disabled"),
    "expires and retires": ("active", 100, 100, "active", "expired"),
    "retired before it expires": ("active", 200, 100, "active", "disabled"),
    "disabled": ("disabled", None, None, "disabled", "disabled"),
    "disabled and expires": ("disabled", 100, None, "disabled", "expired"),
    "revoked": ("revoked", None, None, "revoked", "revoked"),
    "revoked and expires": ("revoked", 100, 100, "revoked", "revoked"),
}


@pytest.mark.parametrize(("stored", "expires_at", "retires_at", "before", "at"), STATUSES.values(), ids=STATUSES)
def test_a_status_changes_at_the_exact_second(
    stored: str, expires_at: int | None, retires_at: int | None, before: str, at: str
) -> None:
    record = a_key(status=stored, expires_at=expires_at, retires_at=retires_at).record
    just_before = nextafter(100.0, 0)
    assert (status_at(record, just_before), status_at(record, 100), status_at(record, 100.0)) == (before, at, at)
    key = compiled(record)
    assert is_usable(key, just_before) is (before == "active")
    assert is_usable(key, 100.0) is (at == "active")


times = st.none() | st.integers(90, 110)


@given(st.sampled_from(["active", "disabled", "revoked"]), times, times, times, st.floats(80, 120))
def test_a_key_is_usable_exactly_while_its_status_is_active_and_its_time_has_come(
    stored: str, not_before: int | None, expires_at: int | None, retires_at: int | None, now: float
) -> None:
    record = a_key(status=stored, not_before=not_before, expires_at=expires_at, retires_at=retires_at).record
    has_begun = not_before is None or now >= not_before
    assert is_usable(compiled(record), now) is (status_at(record, now) == "active" and has_begun)


def test_a_key_begins_at_the_exact_second() -> None:
    key = compiled(a_key(not_before=100).record)
    assert not is_usable(key, nextafter(100.0, 0))
    assert is_usable(key, 100.0)


def test_a_key_without_times_is_usable_for_ever() -> None:
    key = compiled(a_key().record)
    assert is_usable(key, -1e18)
    assert is_usable(key, 1e18)
    assert (key.usable_from, key.usable_until) == (-inf, inf)


def test_a_key_of_a_disabled_app_is_not_active() -> None:
    assert not compiled(a_key().record, an_app(status="disabled")).is_active


# -- who it is -----------------------------------------------------------------------------------------------------


def test_a_key_is_its_app_and_its_apps_owner() -> None:
    minted = a_key(name="ci", scopes=("a",), roles=("reader",))
    principal = compiled(minted.record).principal
    assert (principal.subject, principal.app_id, principal.key_id) == ("alice", "app_1", minted.id)
    assert (principal.display_name, principal.method, principal.is_authenticated) == ("ci", "api_key", True)
    assert principal.scopes == {"a", "orders:read"}
    assert principal.roles == {"reader"}


def test_an_app_without_owner_is_its_own_subject_and_a_key_without_name_has_its_apps() -> None:
    principal = compiled(a_key().record, an_app(owner="", name="Shop")).principal
    assert (principal.subject, principal.display_name) == ("app_1", "Shop")


def test_a_grant_ends_at_the_exact_second() -> None:
    key = compiled(a_key(scopes=("a",), grants=(Grant("b", 150), Grant("c", 200))).record)
    assert key.principal_until == 150.0
    assert key.principal.scopes == key.principal_at(nextafter(150.0, 0)).scopes == {"a", "b", "c"}
    assert key.principal_at(150.0).scopes == {"a", "c"}
    assert key.principal_at(200.0).scopes == {"a"}


def test_a_grant_that_has_ended_is_in_no_principal() -> None:
    key = compiled(a_key(scopes=("a",), grants=(Grant("b", 100),)).record)
    assert key.principal_until == inf
    assert key.principal.scopes == key.principal_at(50.0).scopes == {"a"}


def test_a_grant_beside_the_same_scope_takes_nothing_away_when_it_ends() -> None:
    key = compiled(a_key(scopes=("a",), grants=(Grant("a", 150),)).record)
    assert key.principal_at(150.0).scopes == {"a"}


def test_a_key_without_grants_keeps_its_principal() -> None:
    key = compiled(a_key(scopes=("a",)).record)
    assert key.principal_at(1e12) is key.principal


USED = {"last_used_at": 5, "last_used_address": "192.0.2.1"}


@pytest.mark.parametrize(
    ("changes", "app_changes", "now", "is_same"),
    [
        ({}, {}, 100.0, True),
        (USED, {}, 100.0, True),
        ({**USED, "status": "revoked"}, {}, 100.0, False),
        ({"digest": b"x" * 32}, {}, 100.0, False),
        ({}, {"plan": "gold"}, 100.0, False),
        ({}, {}, 150.0, False),
    ],
    ids=["same", "used", "revoked", "another-secret", "app-changed", "grant-ended"],
)
def test_a_key_is_still_what_it_was_until_something_it_is_judged_by_changes(
    changes: dict[str, Any], app_changes: dict[str, Any], now: float, is_same: bool
) -> None:
    record = a_key(grants=(Grant("b", 150),)).record
    key = compiled(record)
    assert key.still_is(replace(record, **changes), an_app(**app_changes), now) is is_same


def test_a_record_does_not_print_its_digest() -> None:
    record = a_key().record
    assert record.id in repr(record)
    assert "digest" not in repr(record)


# -- limits of the plan --------------------------------------------------------------------------------------------


def test_an_app_without_plan_has_no_limits_of_its_own() -> None:
    assert compiled(a_key().record).limits is NO_LIMITS


def test_an_app_has_the_limits_of_its_plan() -> None:
    free = LimitSet((limit("plan", "3/hour"),))
    assert compiled(a_key().record, an_app(plan="free"), {"free": free}).limits is free


def test_a_key_on_a_plan_nobody_defined_is_unusable() -> None:
    with pytest.raises(ValueError, match='plan "gold", which the configuration does not define'):
        compiled(a_key().record, an_app(plan="gold"))


# -- where it works ------------------------------------------------------------------------------------------------

UNREADABLE: dict[str, Any] = {
    "allow_networks": "10.0.0.5/8",
    "deny_networks": "nowhere",
    "allow_referrers": "example.com",
    "allow_requests": "/v1",
}


@pytest.mark.parametrize(("rule", "text"), UNREADABLE.items(), ids=UNREADABLE)
def test_a_stored_rule_that_cannot_be_read_makes_the_key_unusable(rule: str, text: str) -> None:
    with pytest.raises(ValueError, match='"'):
        compiled(a_key(**dict[str, Any]({rule: (text,)})).record)


def test_a_key_without_rules_is_not_restricted() -> None:
    assert compiled(a_key().record).restrictions is None


def test_each_rule_restricts_alone() -> None:
    record = a_key(allow_networks=("10.0.0.0/8",)).record
    rules = compiled(record).restrictions
    assert rules is not None
    facts = request(client="203.0.113.9")
    assert not rules.is_network_allowed(facts.client)
    assert rules.is_referrer_allowed(facts)
    assert rules.is_application_allowed(facts)
    assert rules.is_request_allowed(facts)


def test_a_rule_whose_header_is_absent_denies() -> None:
    rules = compiled(
        a_key(
            allow_referrers=("https://app.example.com",), allow_ios=("com.example.App",), allow_networks=("::/0",)
        ).record
    ).restrictions
    assert rules is not None
    facts = request(client=None)
    assert not rules.is_network_allowed(facts.client)
    assert not rules.is_referrer_allowed(facts)
    assert not rules.is_application_allowed(facts)


def test_android_and_ios_are_one_rule() -> None:
    sha1 = "AB" * 20
    rules = compiled(
        a_key(allow_android=(f"com.example.app:{sha1}",), allow_ios=("com.example.App",)).record
    ).restrictions
    assert rules is not None
    android = {h.ANDROID_PACKAGE: b"com.example.app", h.ANDROID_CERT: sha1.encode()}
    ios = {h.IOS_BUNDLE: b"com.example.App"}
    assert rules.is_application_allowed(request(headers=android))
    assert rules.is_application_allowed(request(headers=ios))
    assert not rules.is_application_allowed(request(headers={**android, **ios}))


@pytest.mark.parametrize(
    ("pattern", "method", "path", "expected"),
    [
        ("GET /v1/orders/*", "GET", "/v1/orders/1", True),
        ("GET /v1/orders/*", "GET", "/v1/orders/1/lines", True),
        ("GET /v1/orders/*", "GET", "/v1/orders/", True),
        ("GET /v1/orders/*", "GET", "/v1/orders", False),
        ("GET /v1/orders/*", "HEAD", "/v1/orders/1", True),
        ("GET /v1/orders/*", "POST", "/v1/orders/1", False),
        ("GET /v1/orders/*", "GET", "/v1/orders-evil/1", False),
        ("GET /v1/orders", "GET", "/v1/orders", True),
        ("GET /v1/orders", "GET", "/v1/orders/", False),
        ("GET /v1/orders", "GET", "/V1/orders", False),
        ("* /v1/orders", "DELETE", "/v1/orders", True),
        ("HEAD /v1", "GET", "/v1", False),
        ("GET /*", "GET", "/any", True),
        ("POST /v1*", "POST", "/v10/x", True),
        ("M-SEARCH /", "M-SEARCH", "/", True),
        ("GET /caf%C3%A9/*", "GET", "/caf%C3%A9/x", True),
    ],
)
def test_a_request_pattern_matches_method_and_path(pattern: str, method: str, path: str, expected: bool) -> None:
    assert RequestPattern(pattern).matches(method, path) is expected
    rules = compiled(a_key(allow_requests=(pattern,)).record).restrictions
    assert rules is not None
    assert rules.is_request_allowed(request(method, path)) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET",
        "/v1",
        "get /v1",
        "GET  /v1",
        "GET v1",
        "GET /v1 ",
        "GET /v1 /v2",
        "GET,POST /v1",
        "GET /v1/*/x",
        "GET /**",
        "GET /a//b",
        "GET /a/../b",
        "GET /a/./*",
        "GET /%61",
        "GET /a%2fb",
        "GET /é",
        "GET /a\\b",
        "GET http://x/",
        "GET /a\n",
        "GET /" + "a" * 1024,
        "*GET /",
        "GET /a?b=*",
    ],
    ids=lambda text: ascii(text[:24]) or "empty",
)
def test_what_is_no_request_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='"'):
        RequestPattern(text)
