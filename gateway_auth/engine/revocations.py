"""Which tokens were taken back, as this worker knows it. It knows no token before it is asked about one.

Every request with a bearer token is answered from here, so everything is in memory, by name. It is no more than what
management recorded and has not ended.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from msgspec.structs import replace

from gateway_auth.core.token import Revocation, VerifiedToken
from gateway_auth.ports import ChangeBatch, Clock, RevocationReading, RevocationStore

DROPPED_AT_ONCE = 64
"""A request that asks drops no more ended entries than this, however many ended in one moment."""

_Name = tuple[str, str | None, str | None]
"""Kind, value and issuer of a revocation."""


class RevokedTokens:
    """What was taken back up to `revision`. Reading raises StoreUnavailable; what was known before stays then.

    `evict` is called with a predicate when there is something new: whoever remembers proven tokens forgets those of
    which it is true, before `apply` returns.
    """

    def __init__(
        self, store: RevocationStore, clock: Clock, evict: Callable[[Callable[[VerifiedToken], bool]], None]
    ) -> None:
        self.revision = 0
        self._store = store
        self._now = clock.now
        self._evict = evict
        self._known: dict[_Name, Revocation] = {}
        self._ends: list[tuple[float, int, _Name]] = []
        self._serial = count()

    def is_revoked(self, token: VerifiedToken) -> bool:
        """Whether the token was taken back."""
        if not self._known:
            return False
        self._drop_ended(DROPPED_AT_ONCE)
        for kind, value in (("jti", token.token_id), ("subject", token.subject), ("token", token.digest.hex())):
            for issuer in (None, token.issuer):
                found = self._known.get((kind, value, issuer))
                if found is not None and found.covers(token):
                    return True
        return False

    async def load(self) -> None:
        """Read everything anew."""
        reading = await self._store.read_revocations(0)
        self._known, self._ends = {}, []
        self._take(reading)

    async def apply(self, batch: ChangeBatch) -> None:
        """Read what the changes say is new; everything, when they are not all there."""
        if not batch.is_complete:
            await self.load()
        elif any(change.kind == "token" and change.revision > self.revision for change in batch.changes):
            self._take(await self._store.read_revocations(self.revision))

    def __len__(self) -> int:
        return len(self._known)

    def _take(self, reading: RevocationReading) -> None:
        self.revision = reading.revision
        self._drop_ended(len(self._ends))
        now = self._now()
        fresh = [entry for entry in reading.revocations if entry.expires_at > now]
        for entry in fresh:
            self._add(entry)
        if fresh:
            self._evict(self.is_revoked)

    def _add(self, revocation: Revocation) -> None:
        name = (revocation.kind, revocation.value, revocation.issuer)
        known = self._known.get(name)
        entry = revocation if known is None else _both(known, revocation)
        self._known[name] = entry
        heappush(self._ends, (entry.expires_at, next(self._serial), name))

    def _drop_ended(self, at_most: int) -> None:
        now, ends = self._now(), self._ends
        while ends and ends[0][0] <= now and at_most > 0:
            at_most -= 1
            _, _, name = heappop(ends)
            entry = self._known.get(name)
            # Recorded again, it has a later end, which comes in its turn.
            if entry is not None and entry.expires_at <= now:
                del self._known[name]


def _both(one: Revocation, other: Revocation) -> Revocation:
    """What two revocations of one name take back together."""
    return replace(
        one,
        revoked_at=max(one.revoked_at, other.revoked_at),
        expires_at=max(one.expires_at, other.expires_at),
    )
