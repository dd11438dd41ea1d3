"""What a running gateway writes to its store: what was used; and what it takes out of it: what is too old."""

from __future__ import annotations

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemRandom
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.engine.bookkeeping import Bookkeeper
from gateway_auth.engine.housekeeping import Housekeeper
from gateway_auth.engine.redigest import DigestLedger
from gateway_auth.engine.usage import UsageLedger, UsageTally
from gateway_auth.ports import Clock


class Books:
    """Kept beside the requests, never in their way."""

    def __init__(self, store: SqlStore, clock: Clock, peppers: PepperRing, usage_days: int) -> None:
        random = SystemRandom()
        self.usage = UsageTally(clock.now())
        self.digests = DigestLedger(peppers, store)
        self._bookkeeper = Bookkeeper((UsageLedger(self.usage, store, clock), self.digests), random)
        self._housekeeper = Housekeeper(store, clock, random, usage_days)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._bookkeeper.start()
        self._housekeeper.start()

    async def stop(self) -> None:
        """Write what is left, and end."""
        await self._housekeeper.stop()
        await self._bookkeeper.stop()
