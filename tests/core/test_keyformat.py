"""The text of a key: minted and read back, and nothing else passes for one."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat

FORMAT = KeyFormat("gwk")
PUBLISHED = re.compile(r"gwk_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

environments = st.sampled_from(["live", "test"])
ids = st.integers(0, KEY_IDS - 1)
secrets = st.integers(0, SECRETS - 1)


def sample(environment: str = "live") -> str:
    return FORMAT.mint(environment, KEY_IDS // 3, SECRETS // 7).text


@given(environments, ids, secrets)
def test_a_minted_key_is_read_back(environment: str, key_id: int, secret: int) -> None:
    minted = FORMAT.mint(environment, key_id, secret)
    assert FORMAT.parse_key_id(minted.text.encode()) == minted.key_id
    assert minted.text.startswith(f"gwk_{environment}_{minted.key_id}_")
    assert len(minted.text) == FORMAT.length
    assert minted.text[FORMAT.id_start : FORMAT.id_end] == minted.key_id


@given(ids, ids, secrets, secrets)
def test_different_numbers_give_different_keys(id1: int, id2: int, secret1: int, secret2: int) -> None:
    first, second = FORMAT.mint("live", id1, secret1), FORMAT.mint("live", id2, secret2)
    assert (first.key_id == second.key_id) is (id1 == id2)
    assert (first.text == second.text) is ((id1, secret1) == (id2, secret2))


def test_ten_thousand_keys_match_the_published_expression_and_none_is_read_otherwise() -> None:
    chance = random.Random(7)
    for _ in range(10_000):
        minted = FORMAT.mint(chance.choice(["live", "test"]), chance.randrange(KEY_IDS), chance.randrange(SECRETS))
        assert PUBLISHED.fullmatch(minted.text)
        assert FORMAT.find(f"x={minted.text}&y".encode()) == minted.key_id


@pytest.mark.parametrize("environment", ["live", "test"])
def test_every_change_of_one_character_is_refused(environment: str) -> None:
    text = sample(environment)
    for position in range(len(text)):
        for character in BASE62 + "_- .\n\0":
            if character != text[position]:
                changed = text[:position] + character + text[position + 1 :]
                assert FORMAT.parse_key_id(changed.encode()) is None, changed


def test_two_characters_that_changed_places_are_refused() -> None:
    text = sample()
    for position in range(len(text) - 1):
        swapped = text[:position] + text[position + 1] + text[position] + text[position + 2 :]
        if swapped != text:
            assert FORMAT.parse_key_id(swapped.encode()) is None


MALFORMED = {
    "empty": b"",
    "cut": sample()[:-1].encode(),
    "longer": sample().encode() + b"0",
    "leading space": b" " + sample().encode(),
    "trailing space": sample().encode() + b" ",
    "trailing newline": sample().encode() + b"\n",
    "trailing NUL": sample().encode() + b"\0",
    "upper case": sample().upper().encode(),
    "twice": sample().encode() * 2,
    "quoted": b'"' + sample().encode() + b'"',
    "full-width": sample().replace("g", "\uff47", 1).encode(),
    "bytes beyond ASCII": b"\xff" * 60,
    "huge": b"gwk_live_" + b"0" * 65536,
    "another prefix": KeyFormat("acme").mint("live", 1, 2).text.encode(),
    "no id": b"gwk_live__" + b"0" * 38,
    "SQL": b"gwk_live_' OR 1=1 --_" + b"0" * 38,
}


@pytest.mark.parametrize("presented", MALFORMED.values(), ids=MALFORMED)
def test_anything_but_the_exact_bytes_is_refused(presented: bytes) -> None:
    assert FORMAT.parse_key_id(presented) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_answered(presented: bytes) -> None:
    assert FORMAT.parse_key_id(presented) is None
    assert FORMAT.find(presented) is None
    assert FORMAT.redact(presented) == presented


def test_all_zeros_are_a_key_of_full_width() -> None:
    minted = FORMAT.mint("test", 0, 0)
    assert minted.key_id == "0" * 12
    assert FORMAT.parse_key_id(minted.text.encode()) == "0" * 12
    assert FORMAT.mint("live", KEY_IDS - 1, SECRETS - 1).key_id == "z" * 12


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(ValueError, match='use "live" or "test"'):
        FORMAT.mint("prod", 1, 2)


@pytest.mark.parametrize("prefix", ["", "g", "Gwk", "1gw", "gw-k", "gw_k", "a" * 17, "gwk\n", "gwé"])
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="is not a key prefix"):
        KeyFormat(prefix)


@pytest.mark.parametrize("prefix", ["ab", "acme", "a1", "a" * 16])
def test_every_prefix_makes_keys_of_its_own(prefix: str) -> None:
    own = KeyFormat(prefix)
    text = own.mint("live", 5, 6).text.encode()
    assert own.parse_key_id(text) is not None
    assert own.length == len(text)
    assert FORMAT.parse_key_id(text) is None


def test_a_minted_key_does_not_print_its_secret() -> None:
    minted = FORMAT.mint("live", 1, 2)
    assert minted.text not in repr(minted)
    assert minted.key_id in repr(minted)


TEXTS = {
    "alone": "{}",
    "in a URL": "/v1/orders?key={}&x=1",
    "in JSON": '{{"key":"{}"}}',
    "in a word": "x{}x",
    "twice": "{} and {}",
    "twice without a gap": "{}{}",
    "beside one of another prefix": "acme_live_000000000000_" + "0" * 38 + " {}",
}


@pytest.mark.parametrize("form", TEXTS.values(), ids=TEXTS)
def test_keys_are_found_and_their_secrets_redacted(form: str) -> None:
    key = FORMAT.mint("live", 1234567, 2**180)
    text = form.format(key.text, key.text).encode()
    assert FORMAT.find(text) == key.key_id
    redacted = FORMAT.redact(text)
    assert key.text[FORMAT.id_end + 1 :].encode() not in redacted
    assert key.key_id.encode() + b"_[redacted]" in redacted
    assert FORMAT.find(redacted) is None
    assert FORMAT.redact(redacted) == redacted


@pytest.mark.parametrize("length", [8, 20, 37, 38])
def test_a_key_that_was_cut_is_redacted_too(length: int) -> None:
    key = FORMAT.mint("live", 1, 2**189)
    cut = key.text[: FORMAT.id_end + 1 + length].encode()
    assert FORMAT.find(cut) == key.key_id
    assert FORMAT.redact(cut).endswith(b"_[redacted]")


def test_what_only_begins_like_a_key_is_left_alone() -> None:
    for text in (
        b"gwk_live_",
        b"gwk_live_000000000000_1234567",
        b"gwk_prod_000000000000_" + b"0" * 38,
        b"gwk_live_short_x",
    ):
        assert FORMAT.find(text) is None
        assert FORMAT.redact(text) == text


@given(st.text(alphabet="gwk_livetest0A", max_size=90).map(str.encode), ids, secrets)
def test_no_surroundings_hide_a_key(before: bytes, key_id: int, secret: int) -> None:
    key = FORMAT.mint("live", key_id, secret).text.encode()
    secret_part = key[FORMAT.id_end + 1 :]
    for gap in (b"", b" ", b"_", b"g", b"gwk_live_000000000000_0000000000"):
        assert secret_part not in FORMAT.redact(before + gap + key)
