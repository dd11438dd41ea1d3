"""Proves signed tokens: from memory at once, else by the keys of the issuer they name, and remembers those it proved.

The order is the point: form, issuer, algorithm, key, signature, and only then what the token claims. So nothing a
forger writes is acted on, and only who presents a genuine token learns that it has expired or was revoked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gateway_auth.core.claims import Claims, Expired, build_token, check_claims
from gateway_auth.core.credential import Jwt
from gateway_auth.core.decision import Reason
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import UnverifiedToken, is_jws, parse_compact
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine.keyset import NoSuchKey
from gateway_auth.engine.keysets import IssuerKeys
from gateway_auth.engine.token_cache import REMEMBER_SECONDS, TokenCache
from gateway_auth.ports import Clock, VerificationKey


class Foreign:
    """The answer for a token of an issuer whose keys are not known here."""


FOREIGN: Final = Foreign()
_INVALID: Final = Reason.INVALID_CREDENTIAL


class JwtVerifier:
    """Answers whom a signed token speaks for. `recall` never waits; `verify` asks the issuer for its keys.

    `rejected` counts refusals by cause, for operators; clients are told the same for nearly all of them.
    """

    def __init__(
        self,
        issuers: Iterable[tuple[Issuer, IssuerKeys]],
        scopes_of: Mapping[str, tuple[str, ...]],
        cache: TokenCache,
        is_revoked: Callable[[VerifiedToken], bool],
        fingerprint: Callable[[bytes], bytes],
        clock: Clock,
    ) -> None:
        self.rejected: Counter[str] = Counter()
        self._issuers = {issuer.issuer: (issuer, keys) for issuer, keys in issuers}
        self._scopes_of = scopes_of
        self._cache = cache
        self._known = cache.known
        self._is_revoked = is_revoked
        self._fingerprint = fingerprint
        self._clock = clock
        self._monotonic = clock.monotonic

    def recall(self, credential: Jwt) -> VerifiedToken | Reason | Foreign | None:
        """The token, or why it is refused, by what is known here; None where somebody has to be asked."""
        presented, mark = credential.presented, credential.mark
        if mark is None:
            credential.mark = mark = self._fingerprint(presented)
        entry = self._known[mark]
        if entry is not None and self._monotonic() < entry.dies_at:
            return entry.token
        found = self._read(presented)
        if not isinstance(found, _Candidate):
            return found
        key = found.keys.recall(found.token.algorithm, found.token.key_id)
        return None if key is None else self._prove(mark, found, key)

    async def verify(self, presented: bytes) -> VerifiedToken | Reason | Foreign:
        """The same, waiting for the issuer's keys. Raises IssuerUnavailable."""
        found = self._read(presented)
        if not isinstance(found, _Candidate):
            return found
        key = await found.keys.find(found.token.algorithm, found.token.key_id)
        return self._prove(self._fingerprint(presented), found, key)

    def _read(self, presented: bytes) -> _Candidate | Reason | Foreign:
        """Whose token this says it is."""
        token = parse_compact(presented)
        if not isinstance(token, UnverifiedToken):
            # Three segments do not make a JWT: what has no header is opaque, and whoever gave it out can be asked.
            refused = self._reject(token.why)
            return refused if is_jws(presented) else FOREIGN
        name = token.unverified_claims.get("iss")
        found = self._issuers.get(name) if isinstance(name, str) else None
        if found is None:
            self.rejected["issuer"] += 1
            return FOREIGN
        issuer, keys = found
        if token.algorithm not in issuer.algorithms:
            return self._reject("algorithm")
        return _Candidate(token, issuer, keys)

    def _prove(self, mark: bytes, found: _Candidate, key: VerificationKey | NoSuchKey) -> VerifiedToken | Reason:
        """The one place a signature is checked, and what was proven remembered."""
        token, issuer = found.token, found.issuer
        if isinstance(key, NoSuchKey):
            return self._reject("key")
        if not key.verify(token.signing_input, token.signature):
            return self._reject("signature")
        claims = check_claims(token, issuer, self._clock.now())
        if not isinstance(claims, Claims):
            return Reason.CREDENTIAL_EXPIRED if isinstance(claims, Expired) else self._reject(claims.why)
        verified = build_token(token, claims, issuer, self._scopes_of)
        if self._is_revoked(verified):
            return Reason.CREDENTIAL_REVOKED
        dies_at = min(self._monotonic() + REMEMBER_SECONDS, found.keys.usable_until)
        self._cache.put(mark, verified, dies_at)
        return verified

    def _reject(self, why: str) -> Reason:
        self.rejected[why] += 1
        return _INVALID


class _Candidate:
    """A token that can be read, and the issuer it names."""

    __slots__ = ("issuer", "keys", "token")

    def __init__(self, token: UnverifiedToken, issuer: Issuer, keys: IssuerKeys) -> None:
        self.token = token
        self.issuer = issuer
        self.keys = keys
