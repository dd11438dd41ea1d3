"""Signers of the tests' own, one per algorithm offered: a private key, its public JWK, and signatures made with it."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from msgspec import Struct

ASYMMETRIC = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
SHARED = ("HS256", "HS384", "HS512")
SECRETS = {name: secrets.token_bytes(int(name[2:]) // 8) for name in SHARED}
HASHES: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512(),
}  # fmt: skip
CURVES: dict[str, tuple[str, ec.EllipticCurve, int]] = {
    "ES256": ("P-256", ec.SECP256R1(), 32),
    "ES384": ("P-384", ec.SECP384R1(), 48),
    "ES512": ("P-521", ec.SECP521R1(), 66),
}

Jwk = dict[str, str]


class Signer(Struct, frozen=True):
    """One key of an issuer. `jwk` has neither `kid` nor `alg`; `sign` gives JWS signatures."""

    algorithm: str
    jwk: Jwk
    sign: Callable[[bytes], bytes]


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, width: int | None = None) -> str:
    """A number as JWKs have it."""
    return b64(value.to_bytes(width or (value.bit_length() + 7) // 8))


def rsa_jwk(n: int, e: int) -> Jwk:
    """An RSA public key."""
    return {"kty": "RSA", "n": number(n), "e": number(e)}


def ec_jwk(curve: str, x: int, y: int, width: int) -> Jwk:
    """A point of a curve."""
    return {"kty": "EC", "crv": curve, "x": number(x, width), "y": number(y, width)}


def okp_jwk(curve: str, public: bytes) -> Jwk:
    """An Edwards-curve public key."""
    return {"kty": "OKP", "crv": curve, "x": b64(public)}


def signer(algorithm: str, key: int = 0) -> Signer:
    """The signer of an algorithm, or with another number another one of its kind; always the same one."""
    return _signer(algorithm, key)


@cache
def _signer(algorithm: str, key: int) -> Signer:
    if algorithm in SHARED:
        secret = SECRETS[algorithm]
        return Signer(algorithm, {}, lambda message: hmac.digest(secret, message, f"sha{algorithm[2:]}"))
    if algorithm[:2] == "ES":
        return _ecdsa(algorithm)
    if algorithm[:2] == "Ed":
        edwards = ed25519.Ed25519PrivateKey.generate()
        return Signer(algorithm, okp_jwk("Ed25519", edwards.public_key().public_bytes_raw()), edwards.sign)
    return _rsa(algorithm, _rsa_key(key))


@cache
def _rsa_key(number: int) -> rsa.RSAPrivateKey:
    """One of few: making them takes long."""
    return rsa.generate_private_key(65537, 2048)


def _rsa(algorithm: str, key: rsa.RSAPrivateKey) -> Signer:
    digest = HASHES[algorithm[2:]]
    scheme = padding.PKCS1v15() if algorithm[0] == "R" else padding.PSS(padding.MGF1(digest), digest.digest_size)
    numbers = key.public_key().public_numbers()
    return Signer(algorithm, rsa_jwk(numbers.n, numbers.e), lambda message: key.sign(message, scheme, digest))


def _ecdsa(algorithm: str) -> Signer:
    name, curve, width = CURVES[algorithm]
    key = ec.generate_private_key(curve)
    point = key.public_key().public_numbers()

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(HASHES[algorithm[2:]])))
        return r.to_bytes(width) + s.to_bytes(width)

    return Signer(algorithm, ec_jwk(name, point.x, point.y, width), sign)


def compact(header: Mapping[str, object], payload: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """A compact JWS of this header and payload."""
    signed = f"{b64(json.dumps(header, separators=(',', ':')).encode())}.{b64(payload)}".encode()
    return signed + b"." + b64(sign(signed)).encode()
