"""The public key inside one JWK, by its form alone: sizes, spelling, known weaknesses. No arithmetic on curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.jose import decode_base64url
from gateway_auth.core.roca import has_roca_fingerprint

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
MAX_EXPONENT = 2**32 - 1

WhyUnreadable = Literal["key_type", "curve", "coordinates", "modulus", "modulus_size", "weak_modulus", "exponent"]


class RsaPublic(Struct, frozen=True):
    """An RSA public key: modulus and exponent."""

    n: int
    e: int


class EcPublic(Struct, frozen=True):
    """A point that should be on its curve, named as in RFC 7518 section 6.2.1.1."""

    curve: str
    x: int
    y: int


class Ed25519Public(Struct, frozen=True):
    """An Ed25519 public key, 32 bytes."""

    x: bytes


Public = RsaPublic | EcPublic | Ed25519Public


_RSA: tuple[Algorithm, ...] = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EDWARDS: tuple[Algorithm, ...] = ("Ed25519", "EdDSA")
"""Two names of one algorithm: RFC 9864 replaces the second by the first."""

_CURVES: Mapping[str, tuple[Algorithm, int]] = {"P-256": ("ES256", 32), "P-384": ("ES384", 48), "P-521": ("ES512", 66)}


def read_public(key: Mapping[str, object]) -> Public | WhyUnreadable:
    """The public key of a JWK, or why there is none that may be used."""
    kty = key.get("kty")
    if kty == "RSA":
        return _read_rsa(key)
    if kty == "EC":
        return _read_ec(key)
    if kty == "OKP":
        return _read_okp(key)
    return "key_type"


def _read_rsa(key: Mapping[str, object]) -> RsaPublic | WhyUnreadable:
    n, e = _bytes(key.get("n")), _bytes(key.get("e"))
    if n is None or e is None:
        return "modulus" if n is None else "exponent"
    modulus, exponent = int.from_bytes(n), int.from_bytes(e)
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        return "modulus_size"
    if modulus % 2 == 0:
        return "modulus"
    if exponent % 2 == 0 or not 3 <= exponent <= MAX_EXPONENT:
        return "exponent"
    return "weak_modulus" if has_roca_fingerprint(modulus) else RsaPublic(modulus, exponent)


def _read_ec(key: Mapping[str, object]) -> EcPublic | WhyUnreadable:
    curve = key.get("crv")
    if not isinstance(curve, str) or curve not in _CURVES:
        return "curve"
    x, y, width = _bytes(key.get("x")), _bytes(key.get("y")), _CURVES[curve][1]
    if x is None or y is None or not len(x) == len(y) == width:
        return "coordinates"
    return EcPublic(curve, int.from_bytes(x), int.from_bytes(y))


def _read_okp(key: Mapping[str, object]) -> Ed25519Public | WhyUnreadable:
    if key.get("crv") != "Ed25519":
        return "curve"
    x = _bytes(key.get("x"))
    return Ed25519Public(x) if x is not None and len(x) == 32 else "coordinates"


def fitting_algorithms(public: Public) -> tuple[Algorithm, ...]:
    """The algorithms this kind of key can serve."""
    if isinstance(public, RsaPublic):
        return _RSA
    return (_CURVES[public.curve][0],) if isinstance(public, EcPublic) else EDWARDS


def _bytes(value: object) -> bytes | None:
    """What a base64url member spells, None for what is none."""
    if not isinstance(value, str) or not value.isascii():
        return None
    return decode_base64url(value.encode("ascii")) or None
