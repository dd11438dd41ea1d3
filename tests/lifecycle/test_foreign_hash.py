"""What another system kept of a key: what can be used is read, the rest refused with words that hold nothing of it."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from gateway_auth.core.imported import hash_message, start_message, text_message
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.foreign_hash import proof_of_hash, proof_of_text

KEY = "sk_live_0123456789abcdef"
SHA256 = hashlib.sha256(KEY.encode()).digest()
SHA512 = hashlib.sha512(KEY.encode()).digest()
BCRYPT = "$2b$12$" + "a" * 53
ARGON2ID = "$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$" + "A" * 43


def test_a_key_as_it_is_is_found_by_its_text() -> None:
    proof = proof_of_text(KEY, KeyFormat())
    assert (proof.message, proof.text, proof.hash_kind) == (text_message(KEY.encode()), KEY.encode(), None)
    assert KEY not in repr(proof)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tiny", "can be guessed"),
        ("x" * 257, "16 to 256"),
        ("with a space in it, long", "visible ASCII"),
        ("\ud800" * 20, "visible ASCII"),
        ("gwk_live_0123456789abcdef", "move its store instead"),
        ("gwadm_0123456789ab_0123456789abcdef", "never an API key"),
    ],
)
def test_a_text_that_can_be_no_key_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        proof_of_text(text, KeyFormat())
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "written", [SHA256.hex(), SHA256.hex().upper(), b64encode(SHA256).decode(), b64encode(SHA256).decode()[:-1]]
)
def test_sha_256_may_be_hexadecimal_or_base64(written: str) -> None:
    assert proof_of_hash("sha256", written, "").message == hash_message("sha256", SHA256)


@pytest.mark.parametrize("written", [SHA512.hex(), b64encode(SHA512).decode(), b64encode(SHA512).decode().rstrip("=")])
def test_sha_512_too(written: str) -> None:
    assert proof_of_hash("sha512", written, "").message == hash_message("sha512", SHA512)


@pytest.mark.parametrize(
    ("kind", "written"), [("bcrypt", BCRYPT), ("bcrypt", BCRYPT.replace("2b", "2y")), ("argon2id", ARGON2ID)]
)
def test_slow_hashes_are_found_by_the_start_of_their_key(kind: str, written: str) -> None:
    proof = proof_of_hash(kind, written, KEY[:10])
    assert (proof.message, proof.hash_kind, proof.hash) == (start_message(KEY[:10].encode()), kind, written)


@pytest.mark.parametrize(
    ("kind", "written", "start", "field"),
    [
        ("", SHA256.hex(), "", "hash_kind"),
        ("md5", "0" * 32, "", "hash_kind"),
        ("sha256", SHA512.hex(), "", "hash"),
        ("sha256", SHA256.hex()[:-1] + "g", "", "hash"),
        ("sha256", "", "", "hash"),
        ("sha256", f"salt:{SHA256.hex()}", "", "hash"),
        ("sha512", SHA256.hex(), "", "hash"),
        ("sha512", "é" * 88, "", "hash"),
        ("bcrypt", BCRYPT, "", "start"),
        ("bcrypt", BCRYPT, "short", "start"),
        ("bcrypt", BCRYPT, "x" * 25, "start"),
        ("bcrypt", BCRYPT, "with space", "start"),
        ("bcrypt", BCRYPT.replace("$12$", "$15$"), KEY[:10], "hash"),
        ("bcrypt", BCRYPT.replace("$12$", "$03$"), KEY[:10], "hash"),
        ("bcrypt", BCRYPT[:-1], KEY[:10], "hash"),
        ("argon2id", ARGON2ID, "", "start"),
        ("argon2id", ARGON2ID.replace("argon2id", "argon2i"), KEY[:10], "hash"),
        ("argon2id", ARGON2ID.replace("m=65536", "m=2097152"), KEY[:10], "hash"),
        ("argon2id", ARGON2ID.replace("t=3", "t=11"), KEY[:10], "hash"),
        ("argon2id", ARGON2ID.replace("p=4", "p=17"), KEY[:10], "hash"),
        ("argon2id", ARGON2ID.replace("v=19", "v=16"), KEY[:10], "hash"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_column(kind: str, written: str, start: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        proof_of_hash(kind, written, start)
    assert refused.value.field == field
    assert not written or written not in str(refused.value)
