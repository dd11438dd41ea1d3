"""Admin tokens: their one form, and that everything near it is refused and everything like it is redacted."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.admins import mint_id, mint_token, parse_admin_id
from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat
from gateway_auth.core.redaction import redacted

FORM = re.compile(r"gwadm_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")

tokens = st.builds(
    lambda number, secret: mint_token(mint_id(number), secret), st.integers(0, KEY_IDS - 1), st.integers(0, SECRETS - 1)
)


@given(number=st.integers(0, KEY_IDS - 1), secret=st.integers(0, SECRETS - 1))
def test_a_token_has_its_form_and_the_id_it_was_made_for(number: int, secret: int) -> None:
    admin_id = mint_id(number)
    token = mint_token(admin_id, secret)
    assert FORM.fullmatch(token)
    assert parse_admin_id(token.encode()) == admin_id


@given(token=tokens, place=st.integers(0, 56), byte=st.integers(0, 255))
def test_a_token_with_one_byte_changed_is_none(token: str, place: int, byte: int) -> None:
    changed = bytearray(token.encode())
    changed[place] = byte
    assert (parse_admin_id(bytes(changed)) is None) == (bytes(changed) != token.encode())


@given(token=tokens)
def test_what_stands_around_a_token_makes_it_none(token: str) -> None:
    for text in (f" {token}", f"{token}\n", token[:-1], f"{token}x", token.upper(), token + token, ""):
        assert parse_admin_id(text.encode()) is None


@given(token=tokens, length=st.integers(28, 57))
def test_a_token_is_redacted_also_when_it_was_cut(token: str, length: int) -> None:
    text = f"GET /?x={token[:length]}&y"
    for found in (KeyFormat().redact(text.encode()).decode(), redacted(text)):
        assert found == f"GET /?x={token[:18]}_[redacted]&y"


def test_a_token_is_no_key_whatever_the_prefix_of_keys() -> None:
    token = mint_token(mint_id(7), 7).encode()
    for prefix in ("gwk", "gwadm"):
        assert KeyFormat(prefix).parse_key_id(token) is None
        assert KeyFormat(prefix).find(token) is None
    assert parse_admin_id(KeyFormat("gwadm").mint("live", 7, 7).text.encode()) is None
