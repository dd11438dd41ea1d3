"""What a running gateway does with its store beside the requests: writes what was used, forgets what is too old, tells
webhooks what happened.
"""

from __future__ import annotations

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemRandom
from gateway_auth.bootstrap.management import ManagedRegistry
from gateway_auth.bootstrap.webhooks import open_webhooks
from gateway_auth.config import Configuration
from gateway_auth.engine.bookkeeping import Bookkeeper
from gateway_auth.engine.housekeeping import Housekeeper
from gateway_auth.engine.redigest import DigestLedger
from gateway_auth.engine.refusals import RefusalLedger, RefusalTally
from gateway_auth.engine.usage import UsageLedger, UsageTally
from gateway_auth.ports import Clock


class Books:
    """Kept beside the requests, never in their way."""

    def __init__(self, configuration: Configuration, store: SqlStore, clock: Clock) -> None:
        random = SystemRandom()
        self.usage = UsageTally(clock.now())
        self.digests = DigestLedger(configuration.peppers, store)
        self.refusals = RefusalTally(clock.now(), is_complete=configuration.are_denials_audited)
        self._refusal_ledger = RefusalLedger(self.refusals, ManagedRegistry(store, configuration, clock), clock)
        ledgers = (UsageLedger(self.usage, store, clock), self.digests, self._refusal_ledger)
        self._bookkeeper = Bookkeeper(ledgers, random)
        self._housekeeper = Housekeeper(store, clock, random, configuration.usage_days)
        self._webhooks = open_webhooks(configuration, store, clock)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._bookkeeper.start()
        self._housekeeper.start()
        if self._webhooks is not None:
            self._webhooks.start()

    async def leave(self) -> None:
        """Tell webhooks no more: by another configuration than that of today, events would be lost or go astray."""
        webhooks, self._webhooks = self._webhooks, None
        if webhooks is not None:
            await webhooks.stop()

    async def stop(self) -> None:
        """Write what is left, and end."""
        await self.leave()
        await self._housekeeper.stop()
        self._refusal_ledger.finish()
        await self._bookkeeper.stop()
