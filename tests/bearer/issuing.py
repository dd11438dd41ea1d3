"""An issuer of the tests' own: keys, their public set, and tokens signed with them, good ones and others."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://idp.example"
AUDIENCE = "orders"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, length: int | None = None) -> str:
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def new_key(algorithm: str) -> PrivateKey:
    """A fresh private key for one of RS256, PS256, ES256 and Ed25519."""
    if algorithm[:2] in ("RS", "PS"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()


def public_jwk(key: PrivateKey, kid: str, algorithm: str) -> dict[str, Any]:
    """The public half, as an issuer publishes it."""
    common = {"kid": kid, "alg": algorithm, "use": "sig"}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e), **common}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": _number(point.x, 32), "y": _number(point.y, 32), **common}
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw()), **common}


def sign(key: PrivateKey | bytes, algorithm: str, message: bytes) -> bytes:
    """The JWS signature of `message`; bytes are a shared secret."""
    if isinstance(key, bytes):
        return hmac.digest(key, message, "sha256")
    if isinstance(key, rsa.RSAPrivateKey):
        digest = hashes.SHA256()
        pad = padding.PKCS1v15() if algorithm[0] == "R" else padding.PSS(padding.MGF1(digest), digest.digest_size)
        return key.sign(message, pad, digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.sign(message)


def compact(header: Mapping[str, object], claims: Mapping[str, object], key: PrivateKey | bytes, algorithm: str) -> str:
    """The token of exactly this header and these claims."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(sign(key, algorithm, signed.encode()))}"


_serial = iter(range(1, 1 << 62))


@dataclass
class TokenIssuer:
    """`keys` are by kid: (algorithm, private key). `token` signs with the first unless told otherwise."""

    issuer: str = ISSUER
    keys: dict[str, tuple[str, PrivateKey]] = field(default_factory=lambda: {"k-1": ("RS256", new_key("RS256"))})

    def add(self, kid: str, algorithm: str) -> None:
        """One more key."""
        self.keys[kid] = (algorithm, new_key(algorithm))

    def jwks(self) -> dict[str, Any]:
        """What the issuer publishes."""
        return {"keys": [public_jwk(key, kid, algorithm) for kid, (algorithm, key) in self.keys.items()]}

    def publish(self, path: Path) -> Path:
        """Write the key set to a file, whole or not at all."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(self.jwks()))
        fresh.replace(path)
        return path

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good access token (RFC 9068), with changes; None takes a claim away."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "user-1", "aud": AUDIENCE, "client_id": "client-1", "scope": "orders:read",
            "iat": now - 5, "exp": now + 300, "jti": f"{sha256(b'jti').hexdigest()[:8]}-{next(_serial)}",
        }  # fmt: skip
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(self, kid: str | None = None, *, header: Mapping[str, object] | None = None, **changes: Any) -> str:
        """A signed token. `header` changes its header; None takes a member away."""
        kid = kid or next(iter(self.keys))
        algorithm, key = self.keys[kid]
        members = {"alg": algorithm, "kid": kid, "typ": "at+jwt", **(header or {})}
        shown = {name: value for name, value in members.items() if value is not None}
        return compact(shown, self.claims(**changes), key, algorithm)
