"""A configuration without anything configured lets nothing pass."""

from __future__ import annotations

import pytest

from gateway_auth.core import headers as h
from gateway_auth.core.policy import Policy
from gateway_auth.core.ruleset import RuleSet


def test_without_routes_nothing_matches() -> None:
    rules = RuleSet()
    assert rules.routes.match("GET", "/") is None
    assert not rules.trusted_proxies
    assert not rules.is_unix_peer_trusted
    assert rules.headers[b"x-api-key"] == h.API_KEY
    assert rules.headers[b"x-user-id"] == h.DROPPED


def test_a_route_demands_a_key_unless_it_says_otherwise() -> None:
    policy = Policy(id="p", path="/")
    assert (policy.access, policy.credentials, policy.is_websocket, policy.is_shadow) == (
        "required", frozenset(("api_key",)), False, False,
    )  # fmt: skip
    assert policy.strip_credentials


@pytest.mark.parametrize("demand", ["scopes", "any_scopes", "roles"])
def test_a_route_knows_whether_being_known_is_enough(demand: str) -> None:
    assert Policy(id="p", path="/", **{demand: frozenset("a")}).demands_authorization  # type: ignore[arg-type] # a table's column
    assert not Policy(id="p", path="/").demands_authorization
