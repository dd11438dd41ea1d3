"""Digests need the pepper, the whole key counts, and several peppers verify while one is replaced."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.keyhash import (
    MIN_DISTINCT_BYTES,
    MIN_PEPPER_BYTES,
    PepperRing,
    explain_weak_pepper,
    fingerprinter,
    pepper_id,
)

OLD = b"the old pepper: 32 bytes and more"
NEW = b"the new pepper: 32 bytes and more"


def test_a_digest_is_hmac_sha_256_under_the_current_pepper() -> None:
    assert PepperRing(NEW, [OLD]).digest(b"key") == hmac.new(NEW, b"key", sha256).digest()


def test_a_key_verifies_under_the_pepper_it_was_digested_with() -> None:
    before, during, after = PepperRing(OLD), PepperRing(NEW, [OLD]), PepperRing(NEW)
    digest = before.digest(b"key")
    assert before.verify(b"key", digest, pepper_id(OLD))
    assert during.verify(b"key", digest, pepper_id(OLD))
    assert not after.verify(b"key", digest, pepper_id(OLD))
    assert during.current_id == after.current_id == pepper_id(NEW)


def test_a_digest_does_not_verify_under_another_pepper_than_its_own() -> None:
    ring = PepperRing(NEW, [OLD])
    assert not ring.verify(b"key", PepperRing(OLD).digest(b"key"), pepper_id(NEW))
    assert not ring.verify(b"key", ring.digest(b"key"), pepper_id(OLD))
    assert not ring.verify(b"key", ring.digest(b"key"), "")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_only_the_same_bytes_verify(stored: bytes, presented: bytes) -> None:
    ring = PepperRing(NEW)
    assert ring.verify(presented, ring.digest(stored), ring.current_id) is (stored == presented)


def test_keys_that_share_72_bytes_and_a_nul_differ() -> None:
    ring = PepperRing(NEW)
    digest = ring.digest(b"a" * 72 + b"\0x")
    for other in (b"a" * 72, b"a" * 72 + b"\0", b"a" * 72 + b"\0y", b"a" * 72 + b"\0xx"):
        assert not ring.verify(other, digest, ring.current_id)


@pytest.mark.parametrize("digest", [b"", b"\0" * 32, b"x" * 31, b"x" * 33], ids=len)
def test_a_digest_of_another_shape_verifies_nothing(digest: bytes) -> None:
    ring = PepperRing(NEW)
    assert not ring.verify(b"key", digest, ring.current_id)


def test_a_pepper_is_named_without_being_told() -> None:
    assert pepper_id(OLD) != pepper_id(NEW)
    assert len(pepper_id(OLD)) == 16
    assert pepper_id(NEW) != sha256(NEW).hexdigest()[:16]
    assert repr(PepperRing(NEW, [OLD])) == f"PepperRing(current_id='{pepper_id(NEW)}')"


@pytest.mark.parametrize(
    ("pepper", "why"),
    [
        (b"", "is 0 bytes long"),
        (b"short", "is 5 bytes long"),
        (bytes(range(MIN_PEPPER_BYTES - 1)), "is 31 bytes long"),
        (b"a" * 64, "repeats itself"),
        (b"abcdefg" * 10, "repeats itself"),
    ],
    ids=["empty", "short", "almost", "one-byte", "seven-bytes"],
)
def test_a_weak_pepper_is_explained_and_not_shown(pepper: bytes, why: str) -> None:
    explanation = explain_weak_pepper(pepper)
    assert explanation is not None
    assert why in explanation
    assert not pepper or pepper.decode("latin-1") not in explanation


def test_a_pepper_of_enough_bytes_and_variety_is_taken() -> None:
    assert explain_weak_pepper(bytes(range(MIN_PEPPER_BYTES))) is None
    assert explain_weak_pepper((bytes(range(MIN_DISTINCT_BYTES)) * 8)[:MIN_PEPPER_BYTES]) is None


def test_a_fingerprint_is_of_this_process_and_this_text() -> None:
    here, elsewhere = fingerprinter(b"one process"), fingerprinter(b"another")
    assert here(b"key") == here(b"key") == fingerprinter(b"one process")(b"key")
    assert here(b"key") != elsewhere(b"key")
    assert here(b"key") != here(b"key ")
    assert here(b"") != here(b"\0")
