"""What can be done with tokens others issue: taking them back. Knows no command line, no HTTP and no database."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gateway_auth.core.actor import Actor
from gateway_auth.core.credential import MAX_CREDENTIAL_BYTES
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import Rejected, parse_compact
from gateway_auth.core.keyformat import ADMIN_MARKER, KeyFormat
from gateway_auth.core.token import Revocation, RevocationKind, token_digest
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.events import token_event
from gateway_auth.lifecycle.ids import new_id
from gateway_auth.lifecycle.input import LAST_SECOND, check_claim
from gateway_auth.ports import Clock, Random, Registry

CLOCKS_DIFFER_SECONDS = 60
"""An ended revocation is kept this much longer: a worker that starts on a node whose clock is behind still needs it."""

End = Callable[[float], float]
"""When all tokens that are meant have ended, from the time they are revoked at."""

_COMPACT = re.compile(r"eyJ[\w-]*\.[\w-]*\.[\w-]*", re.ASCII)
_IN_NO_TOKEN = re.compile(rb"[\x00-\x20\x7f]")


class ManageTokens:
    """Revocations, one operation per method. Revoking what is revoked is no error.

    `actor` says who acts, for the audit. Every method raises StoreUnavailable for an outage, InvalidInput
    for a value that cannot be. An entry stays until every token it is about has ended by itself; where that cannot be
    known of one token, for good.
    """

    def __init__(
        self, registry: Registry, clock: Clock, random: Random, issuers: Sequence[Issuer], *, key_format: KeyFormat
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._random = random
        self._issuers = tuple(issuers)
        self._key_format = key_format

    async def revoke_id(self, actor: Actor, token_id: str, issuer: str | None = None) -> Revocation:
        """Take back the tokens with this `jti`, of one issuer (its id here or its exact `iss`) or of any."""
        return await self._revoke_name(actor, "jti", token_id, issuer)

    async def revoke_subject(self, actor: Actor, subject: str, issuer: str | None = None) -> Revocation:
        """Take back all that was issued up to now to this `sub`, by one issuer or by any."""
        return await self._revoke_name(actor, "subject", subject, issuer)

    async def revoke_token(self, actor: Actor, presented: bytes) -> Revocation:
        """Take back this one token, without spaces and line ends around it. Only its digest is kept."""
        token = check_token(presented, self._key_format)
        end = self._end_of(token)
        return await self._record(actor, "token", token_digest(token).hex(), None, end)

    async def _revoke_name(self, actor: Actor, kind: RevocationKind, text: str, issuer: str | None) -> Revocation:
        value = check_claim(kind, text)
        # Both would stand in the audit for good.
        if _COMPACT.fullmatch(value):
            raise InvalidInput(kind, "is a whole token; revoke it as a token")
        if self._key_format.find(value.encode()) is not None:
            raise InvalidInput(kind, "holds an API key, which is no name of a token")
        if ADMIN_MARKER in value.encode():
            raise InvalidInput(kind, "holds an admin token, which is no name of a token")
        meant = self._meant(issuer)
        only = meant[0].issuer if issuer is not None else None
        # One id is one token, which may be one that never ends. A subject stays a subject, and comes back.
        is_endless = kind == "jti" and any(issuer.is_introspected for issuer in meant)
        return await self._record(actor, kind, value, only, _never if is_endless else _end_of_any(meant))

    async def _record(self, actor: Actor, kind: RevocationKind, value: str, issuer: str | None, end: End) -> Revocation:
        async with self._registry.transaction() as transaction:
            now = self._clock.now()
            revocation = Revocation(
                id=new_id("rev", self._random),
                kind=kind,
                value=value,
                issuer=issuer,
                revoked_at=now,
                expires_at=min(end(now), LAST_SECOND),
            )
            await transaction.revocations.prune(now - CLOCKS_DIFFER_SECONDS)
            revision = await transaction.record(token_event(now, actor, revocation))
            await transaction.revocations.save(revocation, revision)
        return revocation

    def _meant(self, named: str | None) -> tuple[Issuer, ...]:
        """The issuers whose tokens are to be taken back: one, or all there are."""
        if not self._issuers:
            raise InvalidInput("issuer", "the configuration has no [[issuers]]; no token is accepted")
        if named is None:
            return self._issuers
        for issuer in self._issuers:
            if named in (issuer.id, issuer.issuer):
                return (issuer,)
        known = ", ".join(issuer.id for issuer in self._issuers)
        raise InvalidInput("issuer", f"is not one the configuration has ({known})")

    def _end_of(self, token: bytes) -> End:
        """When a token has ended. It is not verified, nor need it be: its digest is of what it says, too.

        So a signed token is believed to end when it says, however late that is: one that does not tell when it was
        issued is refused for its long life now, and accepted towards its end.
        """
        meant = self._meant(None)
        parsed = parse_compact(token)
        if not isinstance(parsed, Rejected):
            claims = parsed.unverified_claims
            for issuer in meant:
                if issuer.has_keys and claims.get("iss") == issuer.issuer:
                    return _end_by(claims.get("exp"), issuer)
        if not any(issuer.is_introspected for issuer in meant):
            # Often one that was not copied whole: whoever believes it revoked leaves the real one at work.
            raise InvalidInput("token", "is no token of an issuer the configuration has; it is accepted by nobody")
        return _never


def check_token(presented: bytes, key_format: KeyFormat) -> bytes:
    """The token in `presented`, without spaces and line ends around it. Raises InvalidInput for what is none."""
    token = presented.strip()
    if not token:
        raise InvalidInput("token", "must not be empty")
    if len(token) > MAX_CREDENTIAL_BYTES:
        raise InvalidInput("token", f"is longer than {MAX_CREDENTIAL_BYTES} bytes, which no token is accepted with")
    if _IN_NO_TOKEN.search(token):
        raise InvalidInput("token", "contains a space or a control character; give exactly the token")
    if token.startswith(key_format.marker):
        raise InvalidInput("token", "is an API key, which is another thing; use what there is for keys")
    if token.startswith(ADMIN_MARKER):
        raise InvalidInput("token", "is an admin token; disable the admin, or give it another one")
    return token


def _never(_now: float) -> float:
    """The end of an opaque token: its issuer need not name one (RFC 7662 section 2.2)."""
    return LAST_SECOND


def _end_of_any(issuers: Sequence[Issuer]) -> End:
    """When every token that is accepted from these issuers at a time has ended.

    Twice the leeway: the issuer's clock may be ahead when it issues a token, and ours is believed to be when it ends.
    """
    longest = max(issuer.max_lifetime_seconds + 2 * issuer.leeway_seconds for issuer in issuers)
    return lambda now: now + longest


def _end_by(expires: object, issuer: Issuer) -> End:
    """The end of a token with this `exp`; without one it is accepted at no time."""
    if not isinstance(expires, int | float):
        return _end_of_any([issuer])
    return lambda now: max(expires + issuer.leeway_seconds, now)
