"""Whether what was admitted would be admitted still, and until when that is sure. It takes no limit and counts nothing.

The same facts are judged by the same engine code as a request, over limits that are none and a brake that never
brakes: whoever was let in is not asked to wait his turn again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from gateway_auth.core.credential import ApiKey, Jwt, Opaque, extract
from gateway_auth.core.decision import Allow, Decision
from gateway_auth.core.keys import VerifiedKey
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.request import RequestFacts
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine.api_key import KeyVerifier
from gateway_auth.engine.bearer import BearerVerifier
from gateway_auth.engine.needs import Need
from gateway_auth.engine.pipeline import Engine
from gateway_auth.ports import Clock

TOKEN_SECONDS = 30.0
"""An issuer may withdraw a key or an opaque token without a word to us: so tokens are proven again after this."""
LOST_SECONDS = 1.0
"""When to look again at a credential that was forgotten in the moment it was judged."""

_TAKEN = LimitOutcome(is_admitted=True, status=())


class NoLimits:
    """ports.LimitStore that admits everything and counts nothing."""

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """Admitted."""
        return _TAKEN

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """Admitted."""
        return _TAKEN


class Standing:
    """Asks again. `engine` is one over `NoLimits` and an idle brake; `keys` and `tokens` are what it verifies by."""

    def __init__(self, engine: Engine, keys: KeyVerifier, tokens: BearerVerifier | None, clock: Clock) -> None:
        self._engine = engine
        self._keys = keys
        self._tokens = tokens
        self._format = engine.rules.key_format
        self._now: Callable[[], float] = clock.now

    def begin(self, facts: RequestFacts) -> Decision | Need:
        """The decision as of now, or what has to be awaited for it."""
        return self._engine.begin(facts)

    async def resume(self, result: Decision | Need) -> Decision:
        """Wait for what a decision needs."""
        return await self._engine.resume(result)

    def until(self, facts: RequestFacts, allow: Allow) -> float:
        """Until when (UTC epoch seconds) that holds, should nobody change anything; nothing may wait between the two.

        A grant that ends is such a moment too: what stands without it is judged then.
        """
        now = self._now()
        credential = extract(facts, self._format)
        if isinstance(credential, ApiKey):
            key = self._keys.recall(credential)
            return _end_of(key, now) if isinstance(key, VerifiedKey) else now + LOST_SECONDS
        if isinstance(credential, (Jwt, Opaque)) and self._tokens is not None:
            token = self._tokens.recall(credential, allow.policy.credentials)
            end = token.usable_until if isinstance(token, VerifiedToken) else now + LOST_SECONDS
            return min(end, now + TOKEN_SECONDS)
        return inf


def _end_of(key: VerifiedKey, now: float) -> float:
    return min([key.usable_until, *(grant.expires_at for grant in key.record.grants if grant.expires_at > now)])
