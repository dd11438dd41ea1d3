"""Texts that may be keys from elsewhere, and the digests they are found by: no two messages are one."""

from __future__ import annotations

from hashlib import sha256, sha512

import pytest

from gateway_auth.core.imported import (
    MAX_START,
    MAX_TEXT_BYTES,
    MIN_START,
    MIN_TEXT_BYTES,
    ImportedKey,
    Upgrade,
    finding_messages,
    hash_message,
    may_be_imported,
    proving_messages,
    start_message,
    text_message,
)

TEXT = b"sk_live_0123456789abcdefXYZ"


@pytest.mark.parametrize(
    ("text", "may_be"),
    [
        (b"x" * MIN_TEXT_BYTES, True),
        (b"x" * MAX_TEXT_BYTES, True),
        (b"x" * (MIN_TEXT_BYTES - 1), False),
        (b"x" * (MAX_TEXT_BYTES + 1), False),
        (b"a key with spaces in it", False),
        (b"a-key-of-a-line-ending\n", False),
        ("ключ-из-другой-системы".encode(), False),
        (b"a-key-with-a-nul-in-it\0", False),
        (b"", False),
        (b"gwadm_0123456789ab_0123456789abcdefghijklmnopqrstuvwxyzAB", False),
    ],
)
def test_a_key_from_elsewhere_is_visible_ascii_of_some_length(text: bytes, may_be: bool) -> None:
    assert may_be_imported(text) is may_be


def test_a_key_is_found_by_its_text_by_both_fast_hashes_and_by_each_start() -> None:
    proving, finding = proving_messages(TEXT), finding_messages(TEXT)
    assert proving == [text_message(TEXT), hash_message("sha512", sha512(TEXT).digest())]
    assert text_message(TEXT) == hash_message("sha256", sha256(TEXT).digest())
    assert finding == [start_message(TEXT[:length]) for length in range(MIN_START, MAX_START + 1)]
    assert len(set(proving + finding)) == len(proving) + len(finding)


def test_no_message_is_a_text_that_somebody_can_present() -> None:
    for message in (*proving_messages(TEXT), *finding_messages(TEXT)):
        assert not may_be_imported(message)


def test_a_start_is_never_taken_for_a_hash() -> None:
    digest = sha256(TEXT).digest()
    assert start_message(digest) != hash_message("sha256", digest)


@pytest.mark.parametrize(
    ("kind", "slow"), [("bcrypt", "bcrypt"), ("argon2id", "argon2id"), ("sha256", None), (None, None)]
)
def test_which_hashes_take_long(kind: str | None, slow: str | None) -> None:
    imported = ImportedKey(key_id="k", lookup=b"", pepper_id="p", hash_kind=kind)  # type: ignore[arg-type] # a table's
    assert imported.slow_kind == slow


def test_neither_shows_what_it_holds() -> None:
    imported = ImportedKey(key_id="k", lookup=b"looked up", pepper_id="p", hash_kind="bcrypt", hash="$2b$secret")
    assert repr(imported) == "ImportedKey(key_id='k', hash_kind='bcrypt')"
    assert repr(Upgrade(imported, b"lookup", b"digest", "p")) == "Upgrade(key_id='k')"
