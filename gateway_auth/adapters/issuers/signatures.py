"""Keys that verify signatures: the mathematics by `cryptography` and `hmac`, the rules about forms here.

Everything a verification needs is prepared when a key is made, so that verifying costs little more than the library's
own call. The library is trusted with numbers only: what it raises beyond `InvalidSignature` is a refusal, and counted.
"""

from __future__ import annotations

import hmac
from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from msgspec import Struct

from gateway_auth.core.issuer import Algorithm
from gateway_auth.core.jwk import UsableJwk, WhySkipped
from gateway_auth.core.public_key import EcPublic, RsaPublic
from gateway_auth.core.weak_secrets import MIN_SECRET_BYTES
from gateway_auth.ports import VerificationKey

# One object of each for all keys, so that a key read again equals itself and what it proved need not be forgotten.
_HASHES: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_PKCS1 = padding.PKCS1v15()
_PSS = {size: padding.PSS(padding.MGF1(digest), digest.digest_size) for size, digest in _HASHES.items()}
_ECDSA = {size: ec.ECDSA(digest) for size, digest in _HASHES.items()}
# A curve with the order of its group: SEC 2 sections 2.4.2, 2.5.1 and 2.6.1.
_CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "P-384": (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "P-521": (
        ec.SECP521R1(),
        0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
    ),
}
_ED25519_BYTES = 64


class _Key(Struct, frozen=True):
    """One key for one algorithm. `unexpected` counts, over all keys, what no verification should raise."""

    algorithm: Algorithm
    key_id: str | None

    unexpected: ClassVar[int] = 0

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether this key made this signature. Never raises, whatever the bytes are."""
        try:
            return self._is_signed(signing_input, signature)
        except InvalidSignature:
            return False
        except Exception:  # noqa: BLE001 - a verifier answers "no" to whatever it does not understand
            _Key.unexpected += 1
            return False

    @abstractmethod
    def _is_signed(self, signing_input: bytes, signature: bytes) -> bool:
        """True, or False or InvalidSignature."""


class _Rsa(_Key, frozen=True):
    public: RSAPublicKey
    padding: padding.PKCS1v15 | padding.PSS
    hash: hashes.SHA256 | hashes.SHA384 | hashes.SHA512
    signature_bytes: int

    def _is_signed(self, signing_input: bytes, signature: bytes) -> bool:
        # RFC 8017 sections 8.1.2 and 8.2.2, step 1.
        if len(signature) != self.signature_bytes:
            return False
        self.public.verify(signature, signing_input, self.padding, self.hash)
        return True


class _Ecdsa(_Key, frozen=True):
    public: ec.EllipticCurvePublicKey
    scheme: ec.ECDSA
    order: int
    number_bytes: int

    def _is_signed(self, signing_input: bytes, signature: bytes) -> bool:
        # RFC 7518 section 3.4: r and s side by side, each as long as the curve's numbers.
        width = self.number_bytes
        if len(signature) != 2 * width:
            return False
        r, s = int.from_bytes(signature[:width]), int.from_bytes(signature[width:])
        if not (0 < r < self.order and 0 < s < self.order):
            return False
        self.public.verify(encode_dss_signature(r, s), signing_input, self.scheme)
        return True


class _Ed25519(_Key, frozen=True):
    public: Ed25519PublicKey

    def _is_signed(self, signing_input: bytes, signature: bytes) -> bool:
        if len(signature) != _ED25519_BYTES:
            return False
        self.public.verify(signature, signing_input)
        return True


class _Hmac(_Key, frozen=True):
    secret: bytes
    hash_name: str

    def _is_signed(self, signing_input: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(self.secret, signing_input, self.hash_name), signature)

    def __repr__(self) -> str:
        return f"HmacKey(algorithm={self.algorithm!r}, key_id={self.key_id!r})"


def unexpected_failures() -> int:
    """How often a library raised what it should not, since the process began. Anything but 0 is worth a look."""
    return _Key.unexpected


def public_key(jwk: UsableJwk) -> VerificationKey | None:
    """The key of a JWK; None when its numbers are no key, such as a point that is not on its curve."""
    try:
        return _make(jwk)
    except Exception:  # noqa: BLE001 - whatever the library dislikes about a key makes it unusable
        return None


def public_keys(jwks: Iterable[UsableJwk]) -> tuple[tuple[VerificationKey, ...], tuple[tuple[str, WhySkipped], ...]]:
    """The keys that can verify, and by `kid` those that cannot."""
    made = [(jwk, public_key(jwk)) for jwk in jwks]
    skipped: list[tuple[str, WhySkipped]] = [(jwk.key_id or "", "not_a_key") for jwk, key in made if key is None]
    return tuple(key for _, key in made if key is not None), tuple(skipped)


def hmac_key(secret: bytes, algorithm: Algorithm, key_id: str | None = None) -> VerificationKey:
    """A key of a shared secret. Raises ValueError for another kind of algorithm and for a secret that is too short."""
    needed = MIN_SECRET_BYTES.get(algorithm)
    if needed is None or len(secret) < needed:
        raise ValueError(f"{len(secret)} bytes make no key for {algorithm}")
    return _Hmac(algorithm, key_id, secret, f"sha{algorithm[2:]}")


def _make(jwk: UsableJwk) -> VerificationKey:
    public = jwk.public
    if isinstance(public, RsaPublic):
        return _make_rsa(jwk, public)
    if isinstance(public, EcPublic):
        return _make_ecdsa(jwk, public)
    return _Ed25519(jwk.algorithm, jwk.key_id, Ed25519PublicKey.from_public_bytes(public.x))


def _make_rsa(jwk: UsableJwk, public: RsaPublic) -> VerificationKey:
    digest = _HASHES[jwk.algorithm[2:]]
    # RFC 7518 section 3.5: the salt is as long as the hash, and MGF1 uses the same hash.
    scheme = _PKCS1 if jwk.algorithm.startswith("RS") else _PSS[jwk.algorithm[2:]]
    key = RSAPublicNumbers(e=public.e, n=public.n).public_key()
    return _Rsa(jwk.algorithm, jwk.key_id, key, scheme, digest, (key.key_size + 7) // 8)


def _make_ecdsa(jwk: UsableJwk, public: EcPublic) -> VerificationKey:
    curve, order = _CURVES[public.curve]
    # Checks that the point is on the curve (RFC 8725 section 3.4).
    key = ec.EllipticCurvePublicNumbers(public.x, public.y, curve).public_key()
    return _Ecdsa(jwk.algorithm, jwk.key_id, key, _ECDSA[jwk.algorithm[2:]], order, (curve.key_size + 7) // 8)
