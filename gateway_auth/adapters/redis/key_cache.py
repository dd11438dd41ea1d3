"""Keys shared by all workers through Redis, in front of the store. It decides which of the two is asked and believed.

What comes out of Redis is used only if `sealed` proves that an installation with our key wrote it, and `changes`
vouches that nothing it tells of has changed since: docs/decisions/0009-shared-key-cache.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Literal, Protocol

from gateway_auth.adapters.redis.link import Command, Reply
from gateway_auth.adapters.redis.sealed import MAX_SEALED_BYTES, SealedKey, Sealer
from gateway_auth.core.cachekey import compose
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import Clock, KeyReading, KeyStore

logger = logging.getLogger("gateway_auth.redis")

MAX_WRITES = 64
"""Entries on their way to Redis at the same time; more are not written, and the next reading tries again."""
MAX_LOOKS = 64
LOOK_SECONDS = 0.5
"""How long a reading waits for Redis, however long a command may take: the store has to answer it in time too."""
TELL_SECONDS = 60.0

Outcome = Literal["hit", "absent", "foreign", "forged", "expired", "unvouched", "unavailable", "left_alone"]


class Redis(Protocol):
    """What is used of RedisConnection."""

    def run_on(self, key: bytes | None, command: Command) -> Coroutine[Any, Any, Reply]: ...
    def is_available(self, key: bytes | None = None) -> bool: ...


class Voucher(Protocol):
    """What the change log says of an old reading (recent_changes.RecentChanges)."""

    def vouch(self, revision: int, read_at: float, key_id: str, app_id: str) -> int | None:
        """As of which revision, at least the follower's, the reading still holds; None where it may not."""
        ...


class SharedKeyCache:
    """`ports.KeyStore` before another. Raises what that one raises; Redis in any state only makes it ask there.

    `outcomes` counts every look into Redis. Only keys that exist are written, so that guesses fill nothing.
    """

    def __init__(
        self,
        store: KeyStore,
        redis: Redis,
        sealer: Sealer,
        changes: Voucher,
        clock: Clock,
        *,
        key_prefix: str,
        seconds: float,
    ) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._store = store
        self._redis = redis
        self._sealer = sealer
        self._changes = changes
        self._clock = clock
        self._prefix = key_prefix
        self._milliseconds = int(seconds * 1000)
        self._writes: set[asyncio.Task[None]] = set()
        self._looks: set[asyncio.Task[Reply]] = set()
        self._told_at = float("-inf")

    async def read_key(self, key_id: str) -> KeyReading:
        """The key as of the log's revision, from Redis or the store."""
        name = self._name(key_id)
        if not self._redis.is_available(name) or len(self._looks) >= MAX_LOOKS:
            self.outcomes["left_alone"] += 1
        else:
            reading = await self._recall(name, key_id)
            if reading is not None:
                return reading
        read_at = self._now_ms()
        reading = await self._store.read_key(key_id)
        self._write_soon(name, reading, read_at)
        return reading

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = (*self._looks, *self._writes)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _recall(self, name: bytes, key_id: str) -> KeyReading | None:
        # Not GET: whoever can write there could make every worker read half a gigabyte.
        look = asyncio.create_task(self._redis.run_on(name, ("GETRANGE", name, 0, MAX_SEALED_BYTES)))
        self._looks.add(look)
        look.add_done_callback(self._looked)
        try:
            # Who waits no longer leaves the command to its own end, which tells whether Redis answers at all.
            async with asyncio.timeout(LOOK_SECONDS):
                found = await asyncio.shield(look)
        except (RedisUnavailable, TimeoutError):
            self.outcomes["unavailable"] += 1
            return None
        outcome, reading = self._weigh(found, key_id)
        self.outcomes[outcome] += 1
        if outcome == "forged":
            self._alarm(key_id)
        return reading

    def _looked(self, look: asyncio.Task[Reply]) -> None:
        self._looks.discard(look)
        if not look.cancelled():
            look.exception()  # seen, also where nobody waits for it any more

    def _weigh(self, found: Reply, key_id: str) -> tuple[Outcome, KeyReading | None]:
        if not isinstance(found, bytes) or len(found) > MAX_SEALED_BYTES:
            return "forged", None
        if not found:
            return "absent", None
        sealed = self._sealer.open(found, key_id, self._now_ms())
        if not isinstance(sealed, SealedKey):
            return sealed, None
        # From here to where the engine compares revisions nothing waits, so the log cannot move on between.
        revision = self._changes.vouch(sealed.revision, sealed.read_at / 1000, key_id, sealed.app.id)
        if revision is None:
            return "unvouched", None
        return "hit", KeyReading(revision, sealed.key, sealed.app)

    def _write_soon(self, name: bytes, reading: KeyReading, read_at: int) -> None:
        if reading.key is None or reading.app is None or len(self._writes) >= MAX_WRITES:
            return
        if not self._redis.is_available(name) or self._milliseconds <= 0:
            return
        sealed = SealedKey(reading.revision, read_at, read_at + self._milliseconds, reading.key, reading.app)
        task = asyncio.create_task(self._write(name, sealed), name="gateway-auth shared key")
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _write(self, name: bytes, sealed: SealedKey) -> None:
        value = self._sealer.seal(sealed)
        if len(value) > MAX_SEALED_BYTES:
            return
        try:
            await self._redis.run_on(name, ("SET", name, value, "PX", self._milliseconds))
        except RedisUnavailable:
            self.outcomes["unavailable"] += 1

    def _alarm(self, key_id: str) -> None:
        now = self._clock.monotonic()
        if now >= self._told_at + TELL_SECONDS:
            self._told_at = now
            logger.error("Redis holds an entry for key %s that nobody with our encryption key wrote: ignored", key_id)

    def _name(self, key_id: str) -> bytes:
        return f"{self._prefix}:{compose('key', key_id)}".encode()

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)
