"""What a running gateway writes to its store: what was used; and what it takes out of it: what is too old."""

from __future__ import annotations

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemRandom
from gateway_auth.engine.housekeeping import Housekeeper
from gateway_auth.engine.usage import UsageTally
from gateway_auth.engine.usage_writer import UsageWriter
from gateway_auth.ports import Clock


class Books:
    """Kept beside the requests, never in their way."""

    def __init__(self, tally: UsageTally, store: SqlStore, clock: Clock, usage_days: int) -> None:
        random = SystemRandom()
        self._writer = UsageWriter(tally, store, clock, random)
        self._housekeeper = Housekeeper(store, clock, random, usage_days)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._writer.start()
        self._housekeeper.start()

    async def stop(self) -> None:
        """Write what is left, and end."""
        await self._housekeeper.stop()
        await self._writer.stop()
