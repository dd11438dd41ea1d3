"""Proves opaque tokens by asking who gave them out (RFC 7662), and remembers the answers for a while.

It knows no HTTP. What is remembered is who, per issuer: two issuers may give out the same text, and what one says of it
is no word of the other. Nor is one's outage: each has its own turns, and whoever vouched for a token goes on counting
while an earlier one's "no" has to be renewed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping

from cachetools import TTLCache
from msgspec import Struct

from gateway_auth.core.claims import Claims, build_opaque, check_introspected
from gateway_auth.core.decision import Reason
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyformat import ADMIN_MARKER
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine.singleflight import SingleFlight
from gateway_auth.engine.token_cache import TokenCache
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import Clock, Introspector

MAX_REFUSED = 10_000
MAX_QUESTIONS = 32
"""Questions under way at once, to one issuer: one that hangs takes no turn of another."""
QUESTION_SECONDS = 3.0
"""With the wait for its turn: a flood of made-up tokens makes others wait no longer than this."""

_TOKEN68 = re.compile(rb"[A-Za-z0-9._~+/-]+=*").fullmatch
"""What a bearer token is made of (RFC 6750 section 2.1)."""


class IntrospectedIssuer(Struct, frozen=True, kw_only=True):
    """One issuer that is asked, and how long its answers are kept; 0 seconds: not at all."""

    rules: Issuer
    introspector: Introspector
    cache_seconds: float = 30.0
    negative_cache_seconds: float = 5.0


class OpaqueVerifier:
    """Answers whom an opaque token speaks for. `recall` never waits; `verify` asks the issuers, in order."""

    def __init__(
        self,
        issuers: Iterable[IntrospectedIssuer],
        scopes_of: Mapping[str, tuple[str, ...]],
        is_revoked: Callable[[VerifiedToken], bool],
        fingerprint: Callable[[bytes], bytes],
        clock: Clock,
    ) -> None:
        self._answers = [_Answers(issuer, scopes_of, is_revoked, clock) for issuer in issuers]
        self._fingerprint = fingerprint
        self._flight: SingleFlight[bytes, VerifiedToken | Reason] = SingleFlight()

    def recall(self, presented: bytes) -> VerifiedToken | Reason | None:
        """The token, or why it is refused, as the issuers said a moment ago; None where they have to be asked."""
        if not _may_be_issued(presented):
            return Reason.INVALID_CREDENTIAL  # No issuer gives out such a thing: nobody is asked about it.
        return self._recall(self._fingerprint(presented))

    async def verify(self, presented: bytes) -> VerifiedToken | Reason:
        """The same, asking. Raises IssuerUnavailable when nobody vouches for it and not all could be asked."""
        if not _may_be_issued(presented):
            return Reason.INVALID_CREDENTIAL
        mark = self._fingerprint(presented)
        remembered = self._recall(mark)
        if remembered is not None:
            return remembered
        return await self._flight.do(mark, lambda: self._ask_all(presented, mark))

    def discard_where(self, is_unwanted: Callable[[VerifiedToken], bool]) -> None:
        """Forget every token of which that is true."""
        for answers in self._answers:
            answers.proven.discard_where(is_unwanted)

    def _recall(self, mark: bytes) -> VerifiedToken | Reason | None:
        """What the first issuer said whose token it is; that it is nobody's only when all of them said so."""
        is_open = False
        for answers in self._answers:
            found = answers.recall(mark)
            if found is None:
                is_open = True
            elif found is not Reason.INVALID_CREDENTIAL:
                return found
        return None if is_open else Reason.INVALID_CREDENTIAL

    async def _ask_all(self, presented: bytes, mark: bytes) -> VerifiedToken | Reason:
        outage: IssuerUnavailable | None = None
        for answers in self._answers:
            try:
                found = answers.recall(mark) or await answers.ask(presented, mark)
            except IssuerUnavailable as error:
                outage = error
                continue
            if found is not Reason.INVALID_CREDENTIAL:
                return found  # Also when it is revoked: a later issuer has no say in another's token.
        if outage is not None:
            raise outage
        return Reason.INVALID_CREDENTIAL


def _may_be_issued(presented: bytes) -> bool:
    """Whether an issuer may be shown it. A token of our own admins is nobody else's business."""
    return _TOKEN68(presented) is not None and not presented.startswith(ADMIN_MARKER)


class _Answers:
    """What one issuer said: of tokens that are good, and, so that guesses cannot push those out, apart, of others."""

    def __init__(
        self,
        issuer: IntrospectedIssuer,
        scopes_of: Mapping[str, tuple[str, ...]],
        is_revoked: Callable[[VerifiedToken], bool],
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._turns = asyncio.Semaphore(MAX_QUESTIONS)
        self.proven = TokenCache()
        self._refused: TTLCache[bytes, Reason] = TTLCache(
            MAX_REFUSED, issuer.negative_cache_seconds, timer=clock.monotonic
        )
        self._scopes_of = scopes_of
        self._is_revoked = is_revoked
        self._clock = clock

    def recall(self, mark: bytes) -> VerifiedToken | Reason | None:
        """What it said of a token, while that counts."""
        entry = self.proven.known[mark]
        if entry is not None and self._clock.monotonic() < entry.dies_at:
            return entry.token
        return self._refused.get(mark)

    async def ask(self, presented: bytes, mark: bytes) -> VerifiedToken | Reason:
        """What it says now. Raises IssuerUnavailable."""
        try:
            async with asyncio.timeout(QUESTION_SECONDS), self._turns:
                asked_at = self._clock.monotonic()
                claims = await self._issuer.introspector.introspect(presented)
        except TimeoutError as error:
            raise IssuerUnavailable(f"issuer {self._issuer.rules.id}: introspection takes too long") from error
        return self._take(presented, mark, claims, asked_at)

    def _take(
        self, presented: bytes, mark: bytes, claims: Mapping[str, object] | None, asked_at: float
    ) -> VerifiedToken | Reason:
        """Judge an answer and remember what came of it. Nothing waits between the two."""
        verdict = self._judge(presented, claims)
        if not isinstance(verdict, VerifiedToken):
            if self._issuer.negative_cache_seconds:
                self._refused[mark] = verdict
            return verdict
        if self._issuer.cache_seconds:
            self._refused.pop(mark, None)
            # Not beyond the token's own end (RFC 7662 section 4), for which no leeway is given here. What its issuer
            # took back while the answer was on its way is not in it: it counts from when it was asked for.
            left = verdict.usable_until - self._issuer.rules.leeway_seconds - self._clock.now()
            dies_at = min(asked_at + self._issuer.cache_seconds, self._clock.monotonic() + left)
            self.proven.put(mark, verdict, dies_at)
        return verdict

    def _judge(self, presented: bytes, claims: Mapping[str, object] | None) -> VerifiedToken | Reason:
        rules = self._issuer.rules
        checked = check_introspected(claims, rules, self._clock.now()) if claims is not None else None
        if not isinstance(checked, Claims):
            return Reason.INVALID_CREDENTIAL
        token = build_opaque(presented, checked, rules, self._scopes_of)
        return Reason.CREDENTIAL_REVOKED if self._is_revoked(token) else token
