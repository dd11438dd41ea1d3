"""Who a request comes from, and how that is told upstream in headers nobody can break out of."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.principal import ANONYMOUS, build_principal

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)


def test_nobody_is_anonymous() -> None:
    assert not ANONYMOUS.is_authenticated
    assert ANONYMOUS.identity_headers == ((b"x-auth-method", b"anonymous"),)
    assert (ANONYMOUS.subject, ANONYMOUS.display_name, ANONYMOUS.key_id, ANONYMOUS.app_id) == (
        "",
        "anonymous",
        None,
        None,
    )
    assert ANONYMOUS.scopes == ANONYMOUS.roles == frozenset()


def test_a_principal_is_told_in_headers() -> None:
    principal = build_principal(
        subject="alice",
        method="api_key",
        scopes=frozenset(("b", "a:*")),
        roles=frozenset(("r",)),
        app_id="app_1",
        key_id="k",
    )
    assert dict(principal.identity_headers) == {
        b"x-auth-method": b"api_key", b"x-auth-subject": b"alice", b"x-auth-app": b"app_1", b"x-auth-key-id": b"k",
        b"x-auth-scopes": b"a:* b", b"x-auth-roles": b"r",
    }  # fmt: skip
    assert principal.identity == "alice"
    assert principal.display_name == "alice"
    assert "a:x" in principal.granted


def test_what_is_empty_is_no_header() -> None:
    principal = build_principal(subject="alice", method="jwt", scopes=frozenset(), roles=frozenset())
    assert [name for name, _ in principal.identity_headers] == [b"x-auth-method", b"x-auth-subject"]


def test_claims_are_kept() -> None:
    principal = build_principal(subject="a", method="jwt", scopes=frozenset(), roles=frozenset(), claims={"aud": "x"})
    assert principal.claims == {"aud": "x"}


@given(texts, st.frozensets(texts.filter(bool), max_size=4), st.frozensets(texts.filter(bool), max_size=4))
def test_no_value_ends_its_header_or_splits_into_two(
    subject: str, scopes: frozenset[str], roles: frozenset[str]
) -> None:
    headers = dict(
        build_principal(subject=subject, method="api_key", scopes=scopes, roles=roles, app_id=subject).identity_headers
    )
    for value in headers.values():
        assert value.isascii()
        assert value.decode().isprintable()
        assert value == value.strip() != b""
    assert unquote(headers.get(b"x-auth-subject", b"").decode()) == subject
    told = headers.get(b"x-auth-scopes", b"").decode()
    assert frozenset(map(unquote, told.split(" ") if told else [])) == scopes


@pytest.mark.parametrize("subject", ["a\r\nx-auth-roles: admin", "a\0b", "100%", "a b"])
def test_an_odd_subject_is_percent_encoded(subject: str) -> None:
    headers = dict(
        build_principal(subject=subject, method="api_key", scopes=frozenset(), roles=frozenset()).identity_headers
    )
    assert not set(headers[b"x-auth-subject"]) & set(b"\r\n\0 ")
