"""What a gateway does through Redis: limits counted by all, keys read once for all, news of changes at once.

Imported only where the configuration has `[redis]`. Nothing here waits for Redis before requests are served.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.eviction import eviction_warning
from gateway_auth.adapters.redis.heartbeat import Heartbeat
from gateway_auth.adapters.redis.key_cache import SharedKeyCache
from gateway_auth.adapters.redis.limit_store import RedisLimitStore
from gateway_auth.adapters.redis.nudges import NudgeListener, publish
from gateway_auth.adapters.redis.recent_changes import RecentChanges
from gateway_auth.adapters.redis.sealed import Sealer
from gateway_auth.adapters.redis.share_store import RedisShareStore
from gateway_auth.adapters.redis.slot_table import RedisSlotTable
from gateway_auth.bootstrap.shared import Shared, Truth, TruthStore
from gateway_auth.config import Configuration
from gateway_auth.config.configuration import RedisSettings
from gateway_auth.core.shares import Share
from gateway_auth.engine.leases import LeasedLimits
from gateway_auth.engine.own_part import OwnPart
from gateway_auth.engine.shared_limits import SharedLimits
from gateway_auth.engine.shared_slots import SharedSlots
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import Clock, KeyStore

logger = logging.getLogger("gateway_auth.redis")

EXAMINE_SECONDS = 5.0
PUBLISH_SECONDS = 0.2
"""How long a management command waits for its news to be taken; workers notice the change without it."""


class RedisParts:
    """`bootstrap.shared.Shared` over one Redis."""

    def __init__(self, settings: RedisSettings, configuration: Configuration, store: Truth, clock: Clock) -> None:
        """Raises ConfigError for an URL or certificate that cannot be used."""
        self.connection = RedisConnection(
            settings.url, timeout_seconds=settings.timeout_seconds, on_change=lambda _: self._look()
        )
        self._prefix = settings.key_prefix
        self._heartbeat = Heartbeat(
            self.connection, settings.key_prefix, at_least=configuration.workers, monotonic=clock.monotonic
        )
        own = OwnPart(lambda: MemoryLimitStore(clock), self._heartbeat, clock)
        self._exact = RedisLimitStore(self.connection, settings.key_prefix, own)
        place = self._exact.place
        self._shares = RedisShareStore(self.connection, place)
        self._leased = LeasedLimits(self._exact, self._shares, clock, lambda limit: limit.is_leased, fallback=own)
        is_reachable = partial(self.connection.is_available, place)
        self.limits = SharedLimits(self._leased, own, is_reachable)
        self.slots = SharedSlots(RedisSlotTable(self.connection, place), is_reachable, self._heartbeat, clock)
        self.key_store: KeyStore = store
        self.truth: TruthStore = store
        self._keys = self._key_cache(configuration, store, clock)
        self._nudges: NudgeListener | None = None
        self._examining: asyncio.Task[None] | None = None

    @property
    def is_degraded(self) -> bool:
        """Whether something is decided without Redis that should be decided with it."""
        return bool(self.limits.own.failure) or self.is_left_alone

    @property
    def share(self) -> Share:
        """The workers known, and the place of this one among them."""
        return self._heartbeat.share

    @property
    def is_left_alone(self) -> bool:
        """Whether the server of the limits is not asked for now."""
        return not self.connection.is_available(self._exact.place)

    @property
    def calls(self) -> int:
        """How many commands were given."""
        return self.connection.calls

    @property
    def openings(self) -> int:
        """How often a breaker opened."""
        return self.connection.openings()

    def failures(self) -> Counter[str]:
        """How many commands failed, by kind."""
        return self.connection.failures()

    def looks(self) -> Counter[str]:
        """What the looks into the shared key cache came to; nothing where it is off."""
        return Counter({str(outcome): count for outcome, count in self._keys.outcomes.items()} if self._keys else {})

    def start(self, on_nudge: Callable[[], None]) -> None:
        """Begin to beat and to listen. Redis may be down: then this begins when it is there."""
        self._heartbeat.start()
        self._nudges = NudgeListener(self.connection, self._prefix, on_nudge)
        self._nudges.start()
        self._examining = asyncio.create_task(self._examine(), name="gateway-auth redis examination")

    async def close(self) -> None:
        """End what runs, then what it ran over. Callers that still wait are told that Redis is closed."""
        if self._examining is not None:
            self._examining.cancel()
            await asyncio.gather(self._examining, return_exceptions=True)
        if self._nudges is not None:
            await self._nudges.close()
        if self._keys is not None:
            await self._keys.close()
        await self._leased.close()
        await self._shares.close()
        await self._exact.close()
        await self.slots.close()
        await self._heartbeat.close()
        await self.connection.close()

    def _look(self) -> None:
        """Redis is left alone from now on, or asked again."""
        self.limits.look()
        self.slots.look()

    def _key_cache(self, configuration: Configuration, store: Truth, clock: Clock) -> SharedKeyCache | None:
        """The cache before the store; none without a key to seal entries with, or where nothing is to be kept."""
        seconds = configuration.api_keys.cache_seconds
        if configuration.encryption_key is None or seconds == 0:
            return None
        changes = RecentChanges(store, clock)
        sealer = Sealer(configuration.encryption_key.reveal(), _scope(configuration))
        keys = SharedKeyCache(store, self.connection, sealer, changes, clock, key_prefix=self._prefix, seconds=seconds)
        self.key_store, self.truth = keys, _Remembered(changes, store)
        return keys

    async def _examine(self) -> None:
        """Warn of what an operator should change in Redis, as soon as it can be asked."""
        while True:
            try:
                warning = await eviction_warning(self.connection, self._exact.place)
            except RedisUnavailable:
                await asyncio.sleep(EXAMINE_SECONDS)
                continue
            if warning is not None:
                logger.warning("Redis %s", warning)
            return


class _Remembered:
    """`TruthStore`: changes through what remembers them, revocations as they are."""

    def __init__(self, changes: RecentChanges, store: TruthStore) -> None:
        self.current_revision = changes.current_revision
        self.changes_since = changes.changes_since
        self.read_revocations = store.read_revocations


def _scope(configuration: Configuration) -> str:
    """What an entry of the shared cache is good for: this store, and the peppers its digests are verified with.

    Else a digest read before the key was digested anew could outlive the pepper it needs.
    """
    return f"{store_name(configuration.store_url)} {configuration.peppers.name}"


def store_name(url: str) -> str:
    """Which store a URL means, without its user and password. A file of the same name elsewhere is another."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return f"{socket.gethostname()} {parts.path}"
    return f"{parts.hostname} {parts.port} {parts.path} {parts.query}"


def open_parts(settings: RedisSettings, configuration: Configuration, store: Truth, clock: Clock) -> Shared:
    """What one gateway shares with the others. Nothing is connected yet. Raises ConfigError."""
    return RedisParts(settings, configuration, store, clock)


async def tell(settings: RedisSettings) -> None:
    """Tell all workers that something changed. Never raises, and returns within `PUBLISH_SECONDS`."""
    redis = RedisConnection(settings.url, timeout_seconds=settings.timeout_seconds)
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await publish(redis, settings.key_prefix)
    except TimeoutError:
        logger.warning("Redis did not answer in time: workers were not told of the change and notice it in a second")
    finally:
        await redis.close()


async def answers(settings: RedisSettings) -> bool:
    """Whether Redis says anything now. Never raises, and returns within `PUBLISH_SECONDS`."""
    redis = RedisConnection(settings.url, timeout_seconds=settings.timeout_seconds)
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await redis.run_on(None, ("PING",))
    except (TimeoutError, RedisUnavailable):
        return False
    finally:
        await redis.close()
    return True
