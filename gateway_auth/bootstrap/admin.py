"""The admin plane of one configuration: the store, what is told of changes, and what the plane works with over both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.bootstrap.management import ManagedRegistry
from gateway_auth.bootstrap.sharing import is_redis_there, tell_of_change
from gateway_auth.config import Configuration
from gateway_auth.core.audit import AuditHead
from gateway_auth.errors import StoreError
from gateway_auth.lifecycle.workplace import Tools
from gateway_auth.ports import Registry, Transaction

LOOK_SECONDS = 1.0


class TellingRegistry:
    """`ports.Registry` that tells workers after each committed transaction, so that they look at once."""

    def __init__(self, registry: Registry, tell: Callable[[], Awaitable[None]]) -> None:
        self.reading = registry.reading
        self._registry = registry
        self._tell = tell

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """What is rolled back is told to nobody."""
        async with self._registry.transaction() as transaction:
            yield transaction
        await self._tell()


class AdminParts:
    """What is open for an admin plane, until it is closed. Nothing is connected before it is needed."""

    def __init__(self, configuration: Configuration) -> None:
        """Raises ConfigError for a store that cannot be."""
        self.configuration = configuration
        self._health: asyncio.Future[Mapping[str, str]] | None = None
        self._looked_at = 0.0
        self.store = SqlStore(configuration.store_url)
        rules, clock = configuration.rules, SystemClock()
        self.tools = Tools(
            registry=TellingRegistry(ManagedRegistry(self.store, configuration, clock), self._tell),
            usage=self.store,
            clock=clock,
            random=SystemRandom(),
            key_format=rules.key_format,
            peppers=configuration.peppers,
            max_lifetime_days=configuration.api_keys.max_lifetime_days,
            max_active_per_app=configuration.api_keys.max_active_per_app,
            accepts_imported=configuration.api_keys.accept_imported,
            plans=frozenset(rules.plans),
            issuers=rules.issuers,
        )

    async def health(self) -> Mapping[str, str]:
        """Whether store and Redis can be reached. Asked at most once a second, however often somebody wants to know."""
        now = self.tools.clock.monotonic()
        if self._health is None or now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._health = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._health)

    async def _look(self) -> Mapping[str, str]:
        states = {"store": "ok"}
        try:
            await self.store.current_revision()
        except StoreError:
            states["store"] = "unavailable"
        if self.configuration.redis is not None:
            states["redis"] = "ok" if await is_redis_there(self.configuration.redis) else "unavailable"
        return states

    async def audit_head(self) -> AuditHead:
        """Where the audit ends. Raises StoreError."""
        async with self.store.reading() as snapshot:
            return (await snapshot.audit.standing()).head

    async def close(self) -> None:
        """Close the store."""
        await self.store.close()

    async def _tell(self) -> None:
        if self.configuration.redis is not None:
            await tell_of_change(self.configuration.redis)
