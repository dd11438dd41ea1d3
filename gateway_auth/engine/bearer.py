"""Which verifier a bearer token goes to. It knows neither keys nor issuers' answers.

A token in the form of a JWT is proven by its issuer's keys; where no configured issuer with keys gave it out, it is
asked about like an opaque one, if anybody can be asked. A route decides which of the two it accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_auth.core.credential import CredentialKind, Jwt, Opaque
from gateway_auth.core.decision import Reason
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.jwt import Foreign, JwtVerifier
from gateway_auth.ports import Clock

if TYPE_CHECKING:
    from gateway_auth.engine.opaque import OpaqueVerifier

Kinds = frozenset[CredentialKind]


class BearerVerifier:
    """Answers whom a bearer token speaks for, or why it speaks for nobody. `recall` never waits: None means `verify`.

    `opaques` is None where no issuer can be asked.
    """

    def __init__(
        self, jwts: JwtVerifier, opaques: OpaqueVerifier | None, changes: ChangeFollower, clock: Clock
    ) -> None:
        self._jwts = jwts
        self._opaques = opaques
        self._changes = changes
        self._monotonic = clock.monotonic

    def recall(self, credential: Jwt | Opaque, kinds: Kinds) -> VerifiedToken | Reason | None:
        """The proven token, or the reason of its refusal, from memory; None where somebody has to be asked."""
        changes = self._changes
        if self._monotonic() >= changes.serve_until and not changes.is_degraded:
            return None  # Nobody has looked lately whether it was taken back.
        if isinstance(credential, Jwt) and "jwt" in kinds:
            answer = self._jwts.recall(credential)
            if not isinstance(answer, Foreign):
                return answer
        if self._opaques is None or "opaque" not in kinds:
            return Reason.INVALID_CREDENTIAL
        return self._opaques.recall(credential.presented)

    async def verify(self, credential: Jwt | Opaque, kinds: Kinds) -> VerifiedToken | Reason:
        """The same, asking whom it takes. Raises IssuerUnavailable."""
        if self._monotonic() >= self._changes.serve_until:
            # Whatever comes of it: while the store is down, tokens are judged by the revocations known before.
            await self._changes.catch_up()
        if isinstance(credential, Jwt) and "jwt" in kinds:
            answer = await self._jwts.verify(credential.presented)
            if not isinstance(answer, Foreign):
                return answer
        if self._opaques is None or "opaque" not in kinds:
            return Reason.INVALID_CREDENTIAL
        return await self._opaques.verify(credential.presented)
