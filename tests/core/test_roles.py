"""Roles stand for scopes, and an unknown one for none."""

from __future__ import annotations

import pytest

from gateway_auth.core.roles import expand_roles, parse_role

SCOPES_OF = {"reader": ("orders:read",), "admin": ("orders:*", "users:*"), "nothing": ()}


@pytest.mark.parametrize("text", ["reader", "0", "a.b-c_d:e", "A" * 64])
def test_a_role_name_is_itself(text: str) -> None:
    assert parse_role(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a b", "a*", "ä", "A" * 65, "a\n", "a,b"])
def test_what_is_no_role_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a role name"):
        parse_role(text)


@pytest.mark.parametrize(
    ("scopes", "roles", "expected"),
    [
        ([], [], set()),
        (["a"], [], {"a"}),
        ([], ["reader"], {"orders:read"}),
        (["a"], ["nothing"], {"a"}),
        (["a", "orders:*"], ["reader", "admin"], {"a", "orders:read", "orders:*", "users:*"}),
        (["a"], ["unknown"], {"a"}),
    ],
)
def test_roles_add_what_they_stand_for(scopes: list[str], roles: list[str], expected: set[str]) -> None:
    assert expand_roles(scopes, roles, SCOPES_OF) == expected
