"""Which keys of a published set may verify tokens, by their form; and that one bad key does not spoil the others."""

from __future__ import annotations

import base64
import json
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.jwk import KeySetReading, UsableJwk, read_jwks
from gateway_auth.core.public_key import EcPublic, Ed25519Public, RsaPublic
from gateway_auth.core.roca import _PRIMES, has_roca_fingerprint

Jwk = dict[str, Any]
ALL = ("RS256", "RS384", "PS256", "ES256", "ES384", "ES512", "Ed25519", "EdDSA", "HS256")


def b64(number: int, width: int | None = None) -> str:
    """A number as JWKs have it."""
    data = number.to_bytes(width or (number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def rsa(bits: int = 2048, **members: object) -> Jwk:
    """An RSA key by its form."""
    return {"kty": "RSA", "n": b64(2 ** (bits - 1) + 1), "e": "AQAB", "kid": "k-1", **members}


def ec(curve: str = "P-256", width: int = 32, **members: object) -> Jwk:
    """An EC key by its form."""
    return {"kty": "EC", "crv": curve, "x": b64(1, width), "y": b64(2, width), "kid": "k-1", **members}


def okp(**members: object) -> Jwk:
    """An Ed25519 key by its form."""
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(3, 32), "kid": "k-1", **members}


def read(*keys: object, algorithms: tuple[str, ...] = ALL) -> KeySetReading:
    """What a set of these keys holds."""
    return read_jwks(json.dumps({"keys": keys}).encode(), algorithms)


def names(reading: KeySetReading) -> list[str]:
    """The algorithms of the usable keys."""
    return [key.algorithm for key in reading.usable]


# Of the form of the flawed library's keys: a power of 65537 modulo the product of the primes.
_PRODUCT = prod(_PRIMES)
ROCA = next(n for n in (pow(65537, 7, _PRODUCT) + _PRODUCT * (2**1850 + step) for step in range(2)) if n % 2 == 1)

SKIPPED = {
    "no object": ("x", "not_an_object"),
    "null": (None, "not_an_object"),
    "no type": ({"kid": "k-1"}, "key_type"),
    "an unknown type": ({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}, "key_type"),
    "a type that is no text": (rsa(kty=["RSA"]), "key_type"),
    "a type in another case": (rsa(kty="rsa"), "key_type"),
    "kid a number": (rsa(kid=1), "key_id"),
    "kid null": (rsa(kid=None), "key_id"),
    "kid empty": (rsa(kid=""), "key_id"),
    "kid too long": (rsa(kid="k" * 257), "key_id"),
    "kid with a newline": (rsa(kid="k\n"), "key_id"),
    "for encryption": (rsa(use="enc"), "use"),
    "use null": (rsa(use=None), "use"),
    "use in another case": (rsa(use="SIG"), "use"),
    "operations without verify": (rsa(key_ops=["sign"]), "key_ops"),
    "operations for encryption": (rsa(key_ops=["encrypt"]), "key_ops"),
    "verify among others": (rsa(key_ops=["verify", "encrypt"]), "key_ops"),
    "verify twice": (rsa(key_ops=["verify", "verify"]), "key_ops"),
    "no operations": (rsa(key_ops=[]), "key_ops"),
    "operations that are no array": (rsa(key_ops="verify"), "key_ops"),
    "operations in one text": (rsa(key_ops=["sign, verify"]), "key_ops"),
    "an RSA private key": (rsa(d="AQ"), "private_key_published"),
    "a prime of an RSA key": (rsa(p="AQ"), "private_key_published"),
    "an EC private key": (ec(d="AQ"), "private_key_published"),
    "an Ed25519 private key": (okp(d=None), "private_key_published"),
    "alg not allowed": (rsa(alg="RS512"), "algorithm"),
    "alg unknown": (rsa(alg="RS257"), "algorithm"),
    "alg of another type": (rsa(alg="ES256"), "algorithm"),
    "alg of another curve": (ec(alg="ES384"), "algorithm"),
    "alg of no standard": (ec("P-521", 66, alg="ES521"), "algorithm"),
    "alg HMAC": (rsa(alg="HS256"), "algorithm"),
    "alg for encryption": (rsa(alg="RSA-OAEP"), "algorithm"),
    "alg null": (rsa(alg=None), "algorithm"),
    "alg an array": (rsa(alg=["RS256"]), "algorithm"),
    "alg in another case": (rsa(alg="rs256"), "algorithm"),
    "no modulus": ({"kty": "RSA", "e": "AQAB"}, "modulus"),
    "a modulus that is a number": (rsa(n=5), "modulus"),
    "a modulus with padding": (rsa(n=b64(2**2047 + 1) + "="), "modulus"),
    "a modulus in the standard alphabet": (rsa(n="+/" * 171), "modulus"),
    "a modulus beyond ASCII": (rsa(n="ä" * 342), "modulus"),
    "an empty modulus": (rsa(n=""), "modulus"),
    "an even modulus": (rsa(n=b64(2**2047 + 2)), "modulus"),
    "RSA of 1024 bits": (rsa(1024), "modulus_size"),
    "RSA of 2047 bits": (rsa(2047), "modulus_size"),
    "RSA of 8193 bits": (rsa(8193), "modulus_size"),
    "RSA of 16384 bits": (rsa(16384), "modulus_size"),
    "a modulus of zeros": (rsa(n="A" * 342), "modulus_size"),
    "no exponent": ({"kty": "RSA", "n": b64(2**2047 + 1)}, "exponent"),
    "exponent 1": (rsa(e="AQ"), "exponent"),
    "exponent 2": (rsa(e="Ag"), "exponent"),
    "exponent 0": (rsa(e="AA"), "exponent"),
    "an even exponent": (rsa(e=b64(65538)), "exponent"),
    "an exponent of 33 bits": (rsa(e=b64(2**32 + 1)), "exponent"),
    "an exponent as long as the modulus": (rsa(e=b64(2**2047 + 1)), "exponent"),
    "a ROCA modulus": (rsa(n=b64(ROCA)), "weak_modulus"),
    "secp256k1": (ec("secp256k1"), "curve"),
    "no curve": ({"kty": "EC", "x": "AA", "y": "AA"}, "curve"),
    "a curve that is no text": (ec(crv=["P-256"]), "curve"),
    "the curve of another width": (ec("P-384", 32), "coordinates"),
    "a short coordinate": (ec(x=b64(1, 31)), "coordinates"),
    "a long coordinate": (ec(y=b64(1, 33)), "coordinates"),
    "no y": ({"kty": "EC", "crv": "P-256", "x": b64(1, 32)}, "coordinates"),
    "a coordinate with padding": (ec(x=b64(1, 32) + "="), "coordinates"),
    "Ed448": (okp(crv="Ed448", x=b64(1, 57)), "curve"),
    "X25519": (okp(crv="X25519"), "curve"),
    "a short Ed25519 key": (okp(x=b64(1, 31)), "coordinates"),
    "a long Ed25519 key": (okp(x=b64(1, 33)), "coordinates"),
    "an Ed25519 key without x": ({"kty": "OKP", "crv": "Ed25519"}, "coordinates"),
}  # fmt: skip


@pytest.mark.parametrize(("key", "why"), SKIPPED.values(), ids=SKIPPED)
def test_a_key_that_may_not_verify_is_left_out_and_its_neighbour_works(key: object, why: str) -> None:
    reading = read(key, rsa(kid="good"))
    assert [usable.key_id for usable in reading.usable] == ["good"]
    assert [reason for _, reason in reading.skipped] == [why]
    assert reading.refused is None


BOUND = {
    "RSA, the first that fits": (rsa(), ALL, ["RS256"]),
    "RSA, in the issuer's order": (rsa(), ("ES256", "PS256", "RS256"), ["PS256"]),
    "RSA, what it says": (rsa(alg="RS384"), ALL, ["RS384"]),
    "RSA, none that fits": (rsa(), ("ES256",), []),
    "P-256": (ec(), ALL, ["ES256"]),
    "P-384": (ec("P-384", 48), ALL, ["ES384"]),
    "P-521": (ec("P-521", 66), ALL, ["ES512"]),
    "P-256, not allowed": (ec(), ("RS256", "ES384"), []),
    "Ed25519 under both its names": (okp(), ALL, ["Ed25519", "EdDSA"]),
    "Ed25519 that says EdDSA": (okp(alg="EdDSA"), ALL, ["Ed25519", "EdDSA"]),
    "Ed25519 that says EdDSA, where only Ed25519 is allowed": (okp(alg="EdDSA"), ("Ed25519",), ["Ed25519"]),
    "Ed25519 that says Ed25519, where only EdDSA is allowed": (okp(alg="Ed25519"), ("EdDSA",), ["EdDSA"]),
    "Ed25519, not allowed": (okp(), ("RS256",), []),
    "Ed25519 that says ES256": (okp(alg="ES256"), ALL, []),
    "with use and operations": (rsa(use="sig", key_ops=["verify"]), ALL, ["RS256"]),
    "that can also sign": (rsa(key_ops=["sign", "verify"]), ALL, ["RS256"]),
    "with certificates": (rsa(x5c=["AA"], x5u="http://127.0.0.1:9/", x5t="AA"), ALL, ["RS256"]),
    "with a leading zero octet": (rsa(n=b64(2**2047 + 1, 257)), ALL, ["RS256"]),
    "RSA with exponent 3": (rsa(e="Aw"), ALL, ["RS256"]),
    "RSA of 8192 bits": (rsa(8192), ALL, ["RS256"]),
    "without kid": ({"kty": "RSA", "n": b64(2**2047 + 1), "e": "AQAB"}, ALL, ["RS256"]),
}  # fmt: skip


@pytest.mark.parametrize(("key", "algorithms", "expected"), BOUND.values(), ids=BOUND)
def test_a_key_is_bound_to_one_algorithm(key: Jwk, algorithms: tuple[str, ...], expected: list[Algorithm]) -> None:
    assert names(read(key, algorithms=algorithms)) == expected


def test_the_numbers_of_a_key_are_read() -> None:
    assert read(rsa(), ec(kid=""), ec(kid="e"), okp(kid="o")).usable == (
        UsableJwk("k-1", "RS256", RsaPublic(2**2047 + 1, 65537)),
        UsableJwk("e", "ES256", EcPublic("P-256", 1, 2)),
        UsableJwk("o", "Ed25519", Ed25519Public(b"\0" * 31 + b"\3")),
        UsableJwk("o", "EdDSA", Ed25519Public(b"\0" * 31 + b"\3")),
    )


DOCUMENTS = {
    "nothing": (b"", "not_json"),
    "HTML": (b"<html>", "not_json"),
    "an array": (b"[]", "not_json"),
    "keys twice": (b'{"keys":[],"keys":[]}', "not_json"),
    "a member of a key twice": (b'{"keys":[{"kty":"RSA","kty":"EC"}]}', "not_json"),
    "no keys": (b"{}", "no_keys"),
    "keys an object": (b'{"keys":{}}', "no_keys"),
    "keys null": (b'{"keys":null}', "no_keys"),
    "a single key": (json.dumps(rsa()).encode(), "no_keys"),
    "101 keys": (json.dumps({"keys": [rsa(kid=str(number)) for number in range(101)]}).encode(), "too_many_keys"),
    "a shared secret among public keys": (
        json.dumps({"keys": [rsa(), {"kty": "oct", "k": "AA"}]}).encode(), "shared_and_public_keys",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("document", "why"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_nobody_can_be_sure_of_is_refused_whole(document: bytes, why: str) -> None:
    assert read_jwks(document, ALL) == KeySetReading(refused=why)  # type: ignore[arg-type]  # the table's text


def test_a_hundred_keys_are_read() -> None:
    assert len(read(*(rsa(kid=str(number)) for number in range(100))).usable) == 100


def test_an_empty_set_holds_nothing() -> None:
    assert read() == KeySetReading()


def test_published_secrets_are_never_used() -> None:
    secret = {"kty": "oct", "k": "A" * 43, "kid": "k-1", "alg": "HS256", "use": "sig"}
    assert read(secret) == KeySetReading(skipped=(("k-1", "shared_secret"),))


def test_two_keys_of_one_name_and_algorithm_are_both_left_out() -> None:
    reading = read(rsa(), rsa(2050), rsa(kid="other"))
    assert [key.key_id for key in reading.usable] == ["other"]
    assert reading.skipped == (("k-1", "ambiguous_key_id"),)


def test_one_name_may_stand_for_keys_of_different_algorithms() -> None:
    assert names(read(rsa(), ec(), okp())) == ["RS256", "ES256", "Ed25519", "EdDSA"]


def test_a_key_listed_twice_is_one_key() -> None:
    assert read(rsa(), rsa(use="sig")).usable == read(rsa()).usable


def test_keys_without_a_name_are_no_rivals() -> None:
    first, second = rsa(), rsa(2050)
    del first["kid"], second["kid"]
    assert [key.key_id for key in read(first, second).usable] == [None, None]


def test_a_key_left_out_is_named_by_its_place_where_it_has_no_name() -> None:
    assert read(rsa(), {"kty": "x"}, {"kty": "x", "kid": "\n"}, {"kty": "x", "kid": "y"}).skipped == (
        ("keys[1]", "key_type"), ("keys[2]", "key_id"), ("y", "key_type"),
    )  # fmt: skip


@pytest.mark.parametrize("modulus", [2**2047 + 1, 2**2048 - 1, 65537 * 3 + 2**2100 + 1])
def test_other_moduli_have_no_roca_fingerprint(modulus: int) -> None:
    assert not has_roca_fingerprint(modulus)


members = st.dictionaries(
    st.sampled_from(["kty", "crv", "n", "e", "x", "y", "k", "d", "kid", "use", "key_ops", "alg"]),
    st.none() | st.text(max_size=3) | st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "AQAB", "sig"])
    | st.integers() | st.lists(st.text(max_size=2), max_size=2),
)  # fmt: skip


@given(st.lists(members | st.none() | st.text(max_size=2), max_size=4))
def test_whatever_a_set_holds_it_is_read(keys: list[object]) -> None:
    assert isinstance(read(*keys), KeySetReading)


@given(st.binary(max_size=60))
def test_whatever_a_document_is_it_is_read(document: bytes) -> None:
    assert read_jwks(document, ALL).usable == ()
