"""A key confirms the signatures made with its private half under its one algorithm, and nothing else whatsoever."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_auth.adapters.issuers.signatures import hmac_key, public_key, public_keys, unexpected_failures
from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.jwk import UsableJwk, read_jwks
from gateway_auth.core.public_key import EcPublic, Ed25519Public, RsaPublic
from gateway_auth.ports import VerificationKey
from tests.bearer.issuing import new_key, public_jwk
from tests.vectors.judge import published
from tests.vectors.signing import ASYMMETRIC, SECRETS, SHARED, signer

MESSAGE = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEifQ"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
EDWARDS_ORDER = 2**252 + 27742317777372353535851937790883648493


def key_of(algorithm: Any) -> VerificationKey:
    """What verifies the signatures of `signer(algorithm)`."""
    if algorithm in SHARED:
        return hmac_key(SECRETS[algorithm], algorithm, "k-1")
    (key,) = published({"keys": [dict(signer(algorithm).jwk, kid="k-1", alg=algorithm)]}, [algorithm])
    return key


@pytest.mark.parametrize("algorithm", [*ASYMMETRIC, *SHARED])
def test_a_key_confirms_its_own_signature(algorithm: str) -> None:
    key = key_of(algorithm)
    assert (key.algorithm, key.key_id) == (algorithm, "k-1")
    assert key.verify(MESSAGE, signer(algorithm).sign(MESSAGE))
    assert key.verify(b"", signer(algorithm).sign(b""))


CHANGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda signature: b"",
    "its first bit": lambda signature: bytes((signature[0] ^ 128,)) + signature[1:],
    "its last bit": lambda signature: signature[:-1] + bytes((signature[-1] ^ 1,)),
    "cut at the end": lambda signature: signature[:-1],
    "cut at the beginning": lambda signature: signature[1:],
    "half": lambda signature: signature[: len(signature) // 2],
    "longer": lambda signature: signature + b"\0",
    "zero in front": lambda signature: b"\0" + signature,
    "twice": lambda signature: signature * 2,
    "zeros": lambda signature: bytes(len(signature)),
    "ones": lambda signature: b"\xff" * len(signature),
    "one": lambda signature: (1).to_bytes(len(signature)),
    "64 KiB": lambda signature: secrets.token_bytes(65536),
}


@pytest.mark.parametrize("algorithm", [*ASYMMETRIC, *SHARED])
@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_no_other_signature_is_confirmed(algorithm: str, change: Callable[[bytes], bytes]) -> None:
    before = unexpected_failures()
    assert not key_of(algorithm).verify(MESSAGE, change(signer(algorithm).sign(MESSAGE)))
    assert unexpected_failures() == before


@pytest.mark.parametrize("algorithm", [*ASYMMETRIC, *SHARED])
@pytest.mark.parametrize("message", [b"", MESSAGE[:-1], MESSAGE + b"A", MESSAGE.lower()])
def test_no_other_message_is_confirmed(algorithm: str, message: bytes) -> None:
    assert not key_of(algorithm).verify(message, signer(algorithm).sign(MESSAGE))


@pytest.mark.parametrize("algorithm", [*ASYMMETRIC, *SHARED])
@pytest.mark.parametrize("other", [*ASYMMETRIC, *SHARED])
def test_no_signature_of_another_algorithm_is_confirmed(algorithm: str, other: str) -> None:
    """RSA signatures are all made with one key here: hash and padding alone tell them apart."""
    assert key_of(algorithm).verify(MESSAGE, signer(other).sign(MESSAGE)) is (algorithm == other)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_no_signature_of_another_key_is_confirmed(algorithm: str) -> None:
    assert not key_of(algorithm).verify(MESSAGE, signer(algorithm, 1).sign(MESSAGE))


@settings(max_examples=50)
@given(st.sampled_from([*ASYMMETRIC, *SHARED]), st.binary(max_size=40), st.binary(max_size=300))
def test_whatever_the_bytes_are_the_answer_is_no(algorithm: str, message: bytes, signature: bytes) -> None:
    before = unexpected_failures()
    assert key_of(algorithm).verify(message, signature) is False
    assert unexpected_failures() == before


# -- RSA ---------------------------------------------------------------------------------------------------------

PRIVATE = rsa.generate_private_key(65537, 2048)
NUMBERS = PRIVATE.private_numbers()
N = NUMBERS.public_numbers.n
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def raw_rsa(block: bytes) -> bytes:
    """What a signer makes who pads as he likes."""
    return pow(int.from_bytes(block), NUMBERS.d, N).to_bytes(256)


def rsa_key(algorithm: Algorithm) -> VerificationKey:
    """The key of PRIVATE."""
    key = public_key(UsableJwk(None, algorithm, RsaPublic(N, 65537)))
    assert key is not None
    return key


def padded(info: bytes, *, filler: int = 0xFF, tail: bytes = b"", head: bytes = b"\0\1") -> bytes:
    """PKCS#1 v1.5 padding of a digest, right or not."""
    rest = info + sha256(MESSAGE).digest() + tail
    return head + bytes((filler,)) * (256 - len(head) - 1 - len(rest)) + b"\0" + rest


SLOPPY = {
    "without NULL": padded(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20"),
    "bytes behind the digest": padded(DIGEST_INFO, tail=b"\0" * 100),
    "another filler": padded(DIGEST_INFO, filler=0xFE),
    "block type 2": padded(DIGEST_INFO, head=b"\0\2"),
    "block type 0": padded(DIGEST_INFO, head=b"\0\0"),
    "the digest alone": padded(b""),
    "lengths in long form": padded(bytes.fromhex("308131300d06096086480165030402010500") + b"\x04\x20"),
    "the name of another hash": padded(bytes.fromhex("3031300d060960864801650304020205000420")),
}  # fmt: skip


def test_rsa_padding_as_it_should_be_is_confirmed() -> None:
    assert rsa_key("RS256").verify(MESSAGE, raw_rsa(padded(DIGEST_INFO)))


@pytest.mark.parametrize("block", SLOPPY.values(), ids=SLOPPY)
def test_sloppy_rsa_padding_is_not_confirmed(block: bytes) -> None:
    assert not rsa_key("RS256").verify(MESSAGE, raw_rsa(block))


def test_a_signature_beyond_the_modulus_is_not_confirmed() -> None:
    signature = int.from_bytes(raw_rsa(padded(DIGEST_INFO))) + N
    assert not rsa_key("RS256").verify(MESSAGE, signature.to_bytes(257))
    assert not rsa_key("RS256").verify(MESSAGE, (N - 1).to_bytes(256))
    assert not rsa_key("RS256").verify(MESSAGE, N.to_bytes(256))


@pytest.mark.parametrize("salt", [0, 20, 31, 33, padding.PSS.MAX_LENGTH])
def test_a_salt_of_another_length_is_not_confirmed(salt: int) -> None:
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    assert not rsa_key("PS256").verify(MESSAGE, PRIVATE.sign(MESSAGE, scheme, hashes.SHA256()))


def test_another_mask_hash_is_not_confirmed() -> None:
    scheme = padding.PSS(padding.MGF1(hashes.SHA1()), 32)
    assert not rsa_key("PS256").verify(MESSAGE, PRIVATE.sign(MESSAGE, scheme, hashes.SHA256()))


# -- ECDSA and Ed25519 -------------------------------------------------------------------------------------------


def numbers_of(signature: bytes) -> tuple[int, int]:
    """r and s."""
    half = len(signature) // 2
    return int.from_bytes(signature[:half]), int.from_bytes(signature[half:])


def side_by_side(r: int, s: int, width: int = 32) -> bytes:
    """r and s as JWS has them."""
    return r.to_bytes(width) + s.to_bytes(width)


R, S = numbers_of(signer("ES256").sign(MESSAGE))
ODD = {
    "DER": encode_dss_signature(R, S),
    "zeros in front of both": side_by_side(R, S, 33),
    "r zero": side_by_side(0, S),
    "s zero": side_by_side(R, 0),
    "both one": side_by_side(1, 1),
    "r the order": side_by_side(ORDER, S),
    "s the order": side_by_side(R, ORDER),
    "r beyond the order": side_by_side(R + ORDER, S, 33),
    "s beyond the order": side_by_side(R, S + ORDER, 33),
    "both greatest": b"\xff" * 64,
    "swapped": side_by_side(S, R),
}  # fmt: skip


@pytest.mark.parametrize("signature", ODD.values(), ids=ODD)
def test_odd_ecdsa_numbers_are_not_confirmed(signature: bytes) -> None:
    assert not key_of("ES256").verify(MESSAGE, signature)


def test_the_twin_of_an_ecdsa_signature_is_as_good() -> None:
    """(r, n-s) is valid by definition; revocation therefore does not look at signatures."""
    assert key_of("ES256").verify(MESSAGE, side_by_side(R, ORDER - S))


def test_an_ed25519_signature_has_one_form() -> None:
    signature = signer("Ed25519").sign(MESSAGE)
    scalar = int.from_bytes(signature[32:], "little") + EDWARDS_ORDER
    assert not key_of("Ed25519").verify(MESSAGE, signature[:32] + scalar.to_bytes(32, "little"))


# -- making keys -------------------------------------------------------------------------------------------------

POINT = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_numbers()
NO_KEYS = {
    "beside its curve": EcPublic("P-256", POINT.x, POINT.y + 1),
    "the origin": EcPublic("P-256", 0, 0),
    "beyond the field": EcPublic("P-256", POINT.x + 2**256, POINT.y),
    "a point of another curve": EcPublic("P-384", POINT.x, POINT.y),
    "no curve": EcPublic("P-257", POINT.x, POINT.y),
    "RSA with an even exponent": RsaPublic(N, 65536),
    "RSA with exponent 1": RsaPublic(N, 1),
    "Ed25519 of 31 bytes": Ed25519Public(bytes(31)),
}  # fmt: skip


@pytest.mark.parametrize("public", NO_KEYS.values(), ids=NO_KEYS)
def test_numbers_that_are_no_key_make_none(public: RsaPublic | EcPublic | Ed25519Public) -> None:
    algorithm: Algorithm = "RS256" if isinstance(public, RsaPublic) else "ES256"
    assert public_key(UsableJwk("k-1", algorithm, public)) is None


def test_one_bad_key_leaves_the_others() -> None:
    good = UsableJwk("good", "ES256", EcPublic("P-256", POINT.x, POINT.y))
    bad = UsableJwk("bad", "ES256", EcPublic("P-256", POINT.x, POINT.y + 1))
    nameless = UsableJwk(None, "ES256", EcPublic("P-256", 1, 1))
    keys, skipped = public_keys([bad, good, nameless])
    assert [key.key_id for key in keys] == ["good"]
    assert skipped == (("bad", "not_a_key"), ("", "not_a_key"))


@pytest.mark.parametrize(("algorithm", "length"), [("HS256", 31), ("HS384", 47), ("HS512", 63), ("HS256", 0)])
def test_a_short_secret_makes_no_key(algorithm: Algorithm, length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes make no key"):
        hmac_key(secrets.token_bytes(64)[:length], algorithm)


@pytest.mark.parametrize("algorithm", ["RS256", "none", "HS257", "A256KW", ""])
def test_a_secret_makes_no_key_of_another_kind(algorithm: Any) -> None:
    with pytest.raises(ValueError, match="make no key"):
        hmac_key(secrets.token_bytes(64), algorithm)


def test_a_key_does_not_show_its_secret() -> None:
    secret = b"0123456789-secret-abcdefghijklmno"
    key = hmac_key(secret, "HS256", "k-1")
    assert repr(key) == str(key) == "HmacKey(algorithm='HS256', key_id='k-1')"


def test_what_a_library_should_not_raise_is_a_no_and_counted() -> None:
    before = unexpected_failures()
    for algorithm in ("RS256", "ES256", "Ed25519", "HS256"):
        broken: Any = None
        assert key_of(algorithm).verify(broken, signer(algorithm).sign(MESSAGE)) is False
    assert unexpected_failures() == before + 4


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519"])
def test_a_key_that_is_read_again_is_the_same_key(algorithm: str) -> None:
    jwk = public_jwk(new_key(algorithm), "k", algorithm)
    first, again = (public_keys(read_jwks(json.dumps({"keys": [jwk]}).encode(), (algorithm,)).usable)[0] for _ in "ab")
    assert first == again
