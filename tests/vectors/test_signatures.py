"""Wycheproof's signature vectors through the keys a published set would give: every verdict, and no exception."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from gateway_auth.adapters.issuers.signatures import hmac_key, public_key, unexpected_failures
from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.jwk import UsableJwk
from gateway_auth.core.public_key import Ed25519Public
from gateway_auth.ports import VerificationKey
from tests.vectors.judge import published
from tests.vectors.shared import Group, Test, files, load, wycheproof
from tests.vectors.signing import Jwk, ec_jwk, okp_jwk, rsa_jwk

# Our name of a curve, its algorithm, the hash it goes with, and the width of its numbers.
CURVES: dict[str, tuple[str, Algorithm, str, int]] = {
    "secp256r1": ("P-256", "ES256", "SHA-256", 32),
    "secp384r1": ("P-384", "ES384", "SHA-384", 48),
    "secp521r1": ("P-521", "ES512", "SHA-512", 66),
}
SPECCHECK = files("ed25519-speccheck/cases.json")
# Implementations disagree on these twelve. 6 and 7 have S out of range (RFC 8032 section 5.1.7) and must fail; of the
# others this is what OpenSSL says: equations without cofactor, points of small order allowed. That a library changes
# its mind must not go unnoticed: nodes with different versions would answer differently.
SPECCHECK_TAKEN = {0, 1, 2, 3, 11}


def key_of(jwk: Jwk, algorithm: str) -> VerificationKey | None:
    """The key an issuer with this algorithm alone would have; None when it is not taken."""
    keys = published({"keys": [dict(jwk, alg=algorithm)]}, [algorithm])
    return keys[0] if keys else None


def verdicts(name: str, key_of_group: Callable[[Group], VerificationKey | None]) -> list[tuple[Group, Test, bool]]:
    """What our key says to every test of a file. A key that is not taken verifies nothing."""
    keys = cache(lambda position: key_of_group(load(name)["testGroups"][position]))
    positions = {id(group): position for position, group in enumerate(load(name)["testGroups"])}
    judged = []
    for group, test in wycheproof(name):
        key = keys(positions[id(group)])
        message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
        judged.append((group, test, key is not None and key.verify(message, signature)))
    return judged


def disagreeing(judged: list[tuple[Group, Test, bool]], expected: Callable[[Group, Test], bool]) -> list[int]:
    """The tests to which our verdict is another than expected."""
    return [test["tcId"] for group, test, verdict in judged if verdict is not expected(group, test)]


@pytest.mark.parametrize("name", files("wycheproof/ecdsa_*_p1363_test.json"))
def test_ecdsa(name: str) -> None:
    before = unexpected_failures()

    def key(group: Group) -> VerificationKey | None:
        public = group["publicKey"]
        x, y = int(public["wx"], 16), int(public["wy"], 16)
        curve, algorithm, _, width = CURVES.get(public["curve"], (public["curve"], "ES256", "", 32))
        return key_of(ec_jwk(curve, x, y, width), algorithm)

    def is_good(group: Group, test: Test) -> bool:
        _, _, digest, _ = CURVES.get(group["publicKey"]["curve"], ("", "", "", 0))
        return bool(test["result"] == "valid" and group["sha"] == digest)

    assert disagreeing(verdicts(name, key), is_good) == []
    assert unexpected_failures() == before


@pytest.mark.parametrize("name", files("wycheproof/ed*_test.json"))
def test_edwards_curves(name: str) -> None:
    before = unexpected_failures()
    curve = "Ed25519" if "25519" in name else "Ed448"

    def key(group: Group) -> VerificationKey | None:
        return key_of(okp_jwk(curve, bytes.fromhex(group["publicKey"]["pk"])), "Ed25519")

    assert disagreeing(verdicts(name, key), lambda _, test: test["result"] == "valid" and curve == "Ed25519") == []
    assert unexpected_failures() == before


@pytest.mark.parametrize("name", files("wycheproof/hmac_*_test.json"))
def test_hmac(name: str) -> None:
    bits = int(name.partition("sha")[2][:3])
    algorithm: Algorithm = {256: "HS256", 384: "HS384", 512: "HS512"}[bits]  # type: ignore[assignment]  # of three
    wrong = []
    for group, test in wycheproof(name):
        secret = bytes.fromhex(test["key"])
        is_long_enough = len(secret) * 8 >= bits
        try:
            key = hmac_key(secret, algorithm)
        except ValueError:
            assert not is_long_enough
            continue
        verdict = key.verify(bytes.fromhex(test["msg"]), bytes.fromhex(test["tag"]))
        if verdict is not (test["result"] == "valid" and group["tagSize"] == bits and is_long_enough):
            wrong.append(test["tcId"])
    assert wrong == []


@pytest.mark.parametrize("name", files("wycheproof/rsa_signature_*_test.json"))
def test_rsa_pkcs1(name: str) -> None:
    before = unexpected_failures()

    def key(group: Group) -> VerificationKey | None:
        public = group["publicKey"]
        jwk = rsa_jwk(int(public["modulus"], 16), int(public["publicExponent"], 16))
        return key_of(jwk, f"RS{group['sha'][4:]}")

    assert disagreeing(verdicts(name, key), lambda _, test: test["result"] == "valid") == []
    assert unexpected_failures() == before


@pytest.mark.parametrize("name", files("wycheproof/rsa_pss_*_test.json"))
def test_rsa_pss_with_a_salt_as_long_as_the_hash(name: str) -> None:
    before = unexpected_failures()

    def key(group: Group) -> VerificationKey | None:
        public = group["publicKey"]
        digest = "256" if group["sha"] == "SHA-1" else group["sha"][4:]
        return key_of(rsa_jwk(int(public["modulus"], 16), int(public["publicExponent"], 16)), f"PS{digest}")

    def is_good(group: Group, test: Test) -> bool:
        if group["sha"] == "SHA-1" or group["sha"] != group["mgfSha"]:
            return False
        # In a file about another salt, one of the wrong signatures has the salt that is right here.
        length = int(group["sha"][4:]) // 8
        return bool(test["result"] == "valid" and group["sLen"] == length) or (
            test["comment"] == f"s_len changed to {length}"
        )

    assert disagreeing(verdicts(name, key), is_good) == []
    assert unexpected_failures() == before


@pytest.mark.parametrize("name", SPECCHECK)
def test_the_same_odd_ed25519_signatures_are_taken_everywhere(name: str) -> None:
    taken = set()
    for number, case in enumerate(load(name)):
        key = public_key(UsableJwk(None, "Ed25519", Ed25519Public(bytes.fromhex(case["pub_key"]))))
        if key is not None and key.verify(bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])):
            taken.add(number)
    assert taken == SPECCHECK_TAKEN
