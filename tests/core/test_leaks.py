"""Secrets in bytes: complete ones of every form are found wherever they stand, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.leaks import ADMIN_TOKEN, LONGEST_BYTES, Leak, LeakFinder, key_form
from tests.scan.secrets import FINDER, admin_token, key, look_alike


def found(data: bytes) -> list[Leak]:
    return FINDER.find(data)


def test_a_key_is_found_with_its_environment_id_and_place() -> None:
    minted = key(environment="test")
    (leak,) = found(f"curl -H 'X-Api-Key: {minted.text}'".encode())
    assert (leak.kind, leak.prefix, leak.environment, leak.id) == ("api_key", "gwk", "test", minted.key_id)
    assert (leak.start, leak.text, leak.is_wide) == (20, minted.text.encode(), False)


def test_a_token_of_an_administrator_is_found() -> None:
    text, token_id = admin_token()
    (leak,) = found(text.encode())
    assert (leak.kind, leak.environment, leak.id) == ("admin_token", None, token_id)


@pytest.mark.parametrize(("before", "after"), [("", ""), ("x", "y"), ('"', '"'), ("_", "_"), ("\0", "\0"), ("é", "é")])
def test_what_stands_around_a_key_does_not_hide_it(before: str, after: str) -> None:
    assert [leak.id for leak in found(f"{before}{key().text}{after}".encode())] == [key().key_id]


@pytest.mark.parametrize(
    "text",
    [
        look_alike(),
        key().text[:-1],
        key().text.upper(),
        key().text.replace("live", "prod"),
        key().text[4:],
        "gwk_live_",
    ],
)
def test_what_is_not_a_complete_key_of_a_right_checksum_is_nothing(text: str) -> None:
    assert found(text.encode()) == []


def test_a_key_that_begins_in_the_tail_of_a_look_alike_is_found() -> None:
    text = look_alike()[:-3] + key(2).text
    assert [leak.id for leak in found(text.encode())] == [key(2).key_id]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_text_in_utf_16_is_read(encoding: str) -> None:
    (leak,) = found(f"ä {key().text} ä".encode(encoding))
    assert (leak.id, leak.is_wide, leak.text) == (key().key_id, True, key().text.encode())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_in_utf_16_is_read_up_to_its_end(encoding: str) -> None:
    assert len(found(key().text.encode(encoding))) == 1


def test_only_the_prefixes_asked_for_are_found_and_each_once() -> None:
    finder = LeakFinder([key_form("gwk"), key_form("acme"), key_form("acme")])
    text = " ".join(key(prefix=prefix).text for prefix in ("gwk", "acme", "other"))
    assert [leak.prefix for leak in finder.find(text.encode())] == ["gwk", "acme"]


def test_the_order_is_that_of_the_text_whatever_the_kind() -> None:
    text = f"{admin_token(1)[0]} {key(2).text} {admin_token(3)[0]}"
    assert [leak.kind for leak in found(text.encode())] == ["admin_token", "api_key", "admin_token"]


def test_no_secret_is_longer_than_the_longest() -> None:
    longest = key(prefix="a" + "z" * 15).text.encode("utf-16-le")
    assert len(longest) == LONGEST_BYTES


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 10**12))
def test_a_key_is_found_between_any_bytes(before: bytes, after: bytes, number: int) -> None:
    minted = key(number)
    assert (len(before), minted.key_id) in [
        (leak.start, leak.id) for leak in found(before + minted.text.encode() + after)
    ]


@given(st.binary(max_size=400))
def test_no_bytes_break_it(data: bytes) -> None:
    for leak in found(data):
        assert data[leak.start :]


def test_a_leak_shows_no_secret() -> None:
    (leak,) = found(key().text.encode())
    assert key().text[22:] not in repr(leak)


@pytest.mark.parametrize("text", [key().text, key().text[:-10], look_alike(), admin_token()[0]])
def test_a_name_is_freed_of_everything_that_looks_like_a_secret(text: str) -> None:
    redacted = FINDER.redact(f"backup-{text}.txt")
    assert redacted.startswith("backup-gw")
    assert redacted.endswith("_[redacted].txt")
    assert text.rsplit("_", 1)[1] not in redacted


def test_the_forms_of_this_version() -> None:
    assert key_form("gwk").environments == ("live", "test")
    assert ADMIN_TOKEN.prefix == "gwadm"
