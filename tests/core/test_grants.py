"""Scopes and roles come in many shapes; what is none is left out, and nothing becomes an empty name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.grants import MAX_GRANTS, find_claim, roles_in, scopes_in
from gateway_auth.core.scopes import parse_granted

PATHS = ("scope", "scp")
NONE: frozenset[str] = frozenset()
ROLE_PATHS = ("roles", "realm_access.roles", "https://example.com/roles")

SCOPES: dict[str, tuple[dict[str, object], frozenset[str]]] = {
    "none": ({}, NONE),
    "a string": ({"scope": "a b"}, frozenset({"a", "b"})),
    "an array": ({"scope": ["a", "b"]}, frozenset({"a", "b"})),
    "scp a string": ({"scp": "a b"}, frozenset({"a", "b"})),
    "scp an array": ({"scp": ["a", "b"]}, frozenset({"a", "b"})),
    "both": ({"scope": "a", "scp": ["b"]}, frozenset({"a", "b"})),
    "empty": ({"scope": ""}, NONE),
    "blanks around and between": ({"scope": "  a   b "}, frozenset({"a", "b"})),
    "other blanks": ({"scope": "a\tb\u00a0c d"}, frozenset({"d"})),
    "an object": ({"scope": {"a": True}}, NONE),
    "a number": ({"scope": 1}, NONE),
    "null": ({"scope": None}, NONE),
    "true": ({"scope": True}, NONE),
    "an array of others": ({"scope": ["a", 1, None, ["b"], {"c": 1}, True]}, frozenset({"a"})),
    "two in one string of an array": ({"scope": ["a b", "c"]}, frozenset({"c"})),
    "an empty string in an array": ({"scope": ["", "a"]}, frozenset({"a"})),
    "what is no scope": ({"scope": 'ok "x" a\\b é ' + "s" * 129}, frozenset({"ok"})),
    "a wildcard": ({"scope": "orders:* b"}, frozenset({"orders:*", "b"})),
    "wildcards of no meaning": ({"scope": "* orders* *:read a:*:b :*"}, NONE),
    "the same twice": ({"scope": "a a", "scp": "a"}, frozenset({"a"})),
    "URLs": (
        {"scope": "https://example.com/orders.read openid"},
        frozenset({"https://example.com/orders.read", "openid"}),
    ),
}

ROLES: dict[str, tuple[dict[str, object], frozenset[str]]] = {
    "none": ({}, NONE),
    "Entra": ({"roles": ["Orders.Read"]}, frozenset({"Orders.Read"})),
    "Keycloak": (
        {"realm_access": {"roles": ["default-roles-realm", "uma_authorization"]}},
        frozenset(("default-roles-realm", "uma_authorization")),
    ),
    "a claim named by an address": ({"https://example.com/roles": ["r"]}, frozenset({"r"})),
    "a claim whose name has dots": ({"realm_access.roles": ["r"], "realm_access": {"roles": ["s"]}}, frozenset({"r"})),
    "a string": ({"roles": "r s"}, frozenset({"r", "s"})),
    "what is no role": ({"roles": ["a b", "-a", "", "ok", "r*", 1]}, frozenset({"ok"})),
    "no object on the way": ({"realm_access": ["roles"]}, NONE),
    "nothing on the way": ({"realm_access": None}, NONE),
    "objects for roles": ({"roles": [{"value": "r"}]}, NONE),
}


@pytest.mark.parametrize(("claims", "expected"), SCOPES.values(), ids=SCOPES)
def test_scopes_are_found(claims: dict[str, object], expected: frozenset[str]) -> None:
    assert scopes_in(claims, PATHS) == expected


@pytest.mark.parametrize(("claims", "expected"), ROLES.values(), ids=ROLES)
def test_roles_are_found(claims: dict[str, object], expected: frozenset[str]) -> None:
    assert roles_in(claims, ROLE_PATHS) == expected


@pytest.mark.parametrize("shape", [" ".join, list], ids=["string", "array"])
def test_the_number_of_names_is_bounded(shape: type[list[str]]) -> None:
    most = [f"s{number}" for number in range(MAX_GRANTS)]
    assert scopes_in({"scope": shape(most)}, PATHS) == frozenset(most)
    assert scopes_in({"scope": shape([*most, "more"])}, PATHS) is None
    assert scopes_in({"scope": shape(most), "scp": "more"}, PATHS) is None
    assert roles_in({"roles": shape([*most, "more"])}, ROLE_PATHS) is None


@pytest.mark.parametrize(
    ("claims", "path", "expected"),
    [
        ({"a": 1}, "a", 1), ({}, "a", None), ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"a": {"b": {"c": 3}}}, "a.b.c", 3),
        ({"a.b": None, "a": {"b": 2}}, "a.b", None), ({"a": {}}, "a.b", None), ({"a": "b"}, "a.b", None),
        ({}, ".", None),
    ],
)  # fmt: skip
def test_a_claim_is_looked_up_whole_and_then_inside(claims: dict[str, object], path: str, expected: object) -> None:
    assert find_claim(claims, path) == expected


@given(st.text(max_size=20) | st.lists(st.text(max_size=6) | st.integers(), max_size=4))
def test_what_is_found_is_a_scope(value: object) -> None:
    found = scopes_in({"scope": value}, PATHS)
    assert found is not None
    assert all(parse_granted(scope) == scope for scope in found)
