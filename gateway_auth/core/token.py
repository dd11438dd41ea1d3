"""A bearer token after its verification, and what can take it back before it ends: facts only, never a verdict."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

from msgspec import Struct

from gateway_auth.core.jose import is_jws
from gateway_auth.core.principal import Principal

RevocationKind = Literal["jti", "subject", "token"]


class VerifiedToken(Struct, frozen=True, gc=False):
    """A token that was proven. Usable while `usable_from <= now < usable_until` (UTC epoch seconds, leeway included).

    `issuer` is the `iss` it was proven for and `issuer_id` that issuer's name here; `key_id` and `algorithm` tell the
    key that proved it (None and "" after introspection). `digest` is `token_digest` of what was presented.
    """

    principal: Principal
    issuer_id: str
    issuer: str
    subject: str
    token_id: str | None
    issued_at: float | None
    usable_from: float
    usable_until: float
    digest: bytes
    key_id: str | None = None
    algorithm: str = ""


def token_digest(presented: bytes) -> bytes:
    """What a token is revoked by: SHA-256 of everything the issuer signed.

    The signature stays out: an ECDSA signature has a second valid form (r, n-s) that anybody can compute, and a token
    in that form must be as revoked as the other. An opaque token is digested whole, however many points are in it:
    all PASETO tokens of an issuer begin alike.
    """
    return sha256(presented.rpartition(b".")[0] if is_jws(presented) else presented).digest()


class Revocation(Struct, frozen=True, kw_only=True):
    """Tokens taken back: one by its `jti`, one by its digest (hex), or all a subject was given up to a moment.

    `issuer` is the exact `iss` it is about; None means any. Times are UTC epoch seconds. Once `expires_at` has
    passed, every token it is about has ended by itself and the entry may go.
    """

    id: str
    kind: RevocationKind
    value: str
    issuer: str | None = None
    revoked_at: float
    expires_at: float

    def covers(self, token: VerifiedToken) -> bool:
        """Whether `token` is taken back by this."""
        if self.issuer is not None and self.issuer != token.issuer:
            return False
        if self.kind == "token":
            return self.value == token.digest.hex()
        if self.kind == "jti":
            return self.value == token.token_id
        # A token that does not say when it was issued may be from before: refused.
        return self.value == token.subject and (token.issued_at is None or token.issued_at <= self.revoked_at)
