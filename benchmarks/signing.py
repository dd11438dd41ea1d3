"""An issuer for what is measured with tokens: keys, and access tokens of the usual size. Times nothing."""

from __future__ import annotations

import json
import time
from itertools import count

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://idp.example.com"
AUDIENCE = "orders"
SECRET = b"4vN8yq1R-tB6_wZkM0sXcGj7LhPfUa2dEo9iKrQ5"
LIFETIME_SECONDS = 3600

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Signer:
    """One key. `kid` is the algorithm's name."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.key = _new_key(algorithm)
        self._serial = count()

    def token(self, kid: str | None = None) -> str:
        """A new access token (RFC 9068), about 700 bytes with RS256, that the demanding route admits."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "aud": [AUDIENCE, "https://idp.example.com/userinfo"],
            "client_id": "WiBkVjHfRXRRhFQ4o8TEm1w9Qb2jvwLs",
            "scope": "openid profile orders:read orders:export items:read",
            "roles": ["analyst"],
            "iat": now - 5,
            "exp": now + LIFETIME_SECONDS,
            "jti": f"5c7cfa59-{next(self._serial):024x}",
        }
        headers = {"kid": kid or self.algorithm, "typ": "at+jwt"}
        return jwt.encode(claims, self.key, "EdDSA" if self.algorithm == "Ed25519" else self.algorithm, headers)

    def jwk(self) -> dict[str, object]:
        """The public half, as an issuer publishes it."""
        return {**self._public(), "kid": self.algorithm, "use": "sig", "alg": self.algorithm}

    def _public(self) -> dict[str, object]:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        assert isinstance(self.key, ed25519.Ed25519PrivateKey)
        return OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)


def key_set(*signers: Signer) -> bytes:
    """The JWKS document of these keys."""
    return json.dumps({"keys": [signer.jwk() for signer in signers]}).encode()


def _new_key(algorithm: str) -> PrivateKey | bytes:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "Ed25519" else SECRET
