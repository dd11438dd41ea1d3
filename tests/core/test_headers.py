"""Which header means what, however it is spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core import headers as h
from gateway_auth.core.headers import DEFAULT_STRIPPED, HeaderTable

TABLE = HeaderTable(("X-API-Key", "x_other_key"), "X-Forwarded-For", DEFAULT_STRIPPED)

KINDS = {
    "host": h.HOST,
    "authorization": h.AUTHORIZATION,
    "origin": h.ORIGIN,
    "referer": h.REFERER,
    "x-api-key": h.API_KEY,
    "x_other_key": h.API_KEY,
    "x-forwarded-for": h.CLIENT_ADDRESS,
    "x-forwarded-proto": h.FORWARDED_PROTO,
    "x-android-package": h.ANDROID_PACKAGE,
    "x-android-cert": h.ANDROID_CERT,
    "x-ios-bundle-identifier": h.IOS_BUNDLE,
    "access-control-request-method": h.PREFLIGHT_METHOD,
    "x-request-id": h.REQUEST_ID,
    "content-length": h.CONTENT_LENGTH,
    "transfer-encoding": h.TRANSFER_ENCODING,
    "accept": h.PLAIN,
    "cookie": h.PLAIN,
    "x-authx": h.PLAIN,
    "x-auth": h.PLAIN,
    "": h.PLAIN,
    "x-forwarded-users": h.PLAIN,
    "x-real-ip": h.PLAIN,
}

NEVER_FORWARDED = [
    "x-auth-subject",
    "x-auth-",
    "x-auth-anything",
    "x-consumer-id",
    "x-credential-identifier",
    "x-user-id",
    "x-authenticated-userid",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "remote-user",
    "x-remote-user",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
]

LOOK_ALIKES = ["x_api_key", "x_api-key", "x-other-key", "x_request_id", "content_length", "transfer_encoding"]


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=lambda value: str(value) or "empty")
def test_a_header_means_the_same_in_any_letter_case(name: str, kind: int) -> None:
    for spelled in (name, name.upper(), name.title(), name.swapcase()):
        assert TABLE[spelled.encode()] == kind


@pytest.mark.parametrize("name", NEVER_FORWARDED)
def test_an_identity_header_is_dropped_however_it_is_spelled(name: str) -> None:
    for spelled in (name, name.upper(), name.replace("-", "_"), name.replace("-", "_", 1).title(), f" {name}\t"):
        assert TABLE[spelled.encode()] == h.DROPPED, spelled


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_look_alike_of_what_is_removed_is_dropped_and_is_no_credential(name: str) -> None:
    assert TABLE[name.encode()] == h.DROPPED
    assert TABLE[name.upper().encode()] == h.DROPPED


@given(st.sampled_from(NEVER_FORWARDED), st.data())
def test_no_mixture_of_case_and_underscores_gets_an_identity_header_through(name: str, data: st.DataObject) -> None:
    spelled = "".join(
        data.draw(st.sampled_from([character, character.upper(), "_" if character == "-" else character]))
        for character in name
    )
    assert TABLE[spelled.encode()] == h.DROPPED


def test_our_own_headers_are_stripped_even_where_nothing_else_is() -> None:
    bare = HeaderTable(("x-api-key",), "forwarded", ())
    assert bare[b"x-auth-subject"] == bare[b"X_AUTH_ROLES"] == h.DROPPED
    assert bare[b"x-forwarded-user"] == h.PLAIN
    assert bare[b"forwarded"] == h.CLIENT_ADDRESS
    assert bare[b"x-forwarded-for"] == h.PLAIN


def test_configured_patterns_count_in_any_spelling() -> None:
    table = HeaderTable(("x-api-key",), "forwarded", ("X_Tenant*", "Cookie"))
    assert table[b"x-tenant-id"] == table[b"X_TENANT"] == table[b"cookie"] == h.DROPPED


def test_the_configured_sources_are_read_even_when_their_family_is_stripped() -> None:
    table = HeaderTable(("x-auth-key",), "x-auth-client", ())
    assert table[b"x-auth-key"] == h.API_KEY
    assert table[b"x-auth-client"] == h.CLIENT_ADDRESS


def test_made_up_names_are_forgotten_again() -> None:
    table = HeaderTable(("x-api-key",), "forwarded", ())
    for number in range(5000):
        assert table[b"x-%d" % number] == h.PLAIN
    assert table[b"x" * 60_000] == h.PLAIN
    assert len(table) <= 1024
    assert sum(map(len, table)) < 100_000


@given(st.binary(max_size=30))
def test_any_bytes_are_a_name(name: bytes) -> None:
    assert TABLE[name] in range(h.REPEATED_CREDENTIAL, h.TRANSFER_ENCODING + 1)
