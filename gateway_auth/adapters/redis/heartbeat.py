"""Which workers live: each says so about once a second, and hears how many others did. It knows nothing of limits.

While Redis does not answer, what was heard last stands: nobody can tell who has gone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Protocol

from msgspec import Meta, ValidationError, convert

from gateway_auth.adapters.redis.link import Command, Reply
from gateway_auth.adapters.redis.script import ScriptCaller, load
from gateway_auth.core.cachekey import compose
from gateway_auth.core.shares import Share
from gateway_auth.errors import RedisUnavailable

logger = logging.getLogger("gateway_auth.redis")

BEAT_SECONDS = 1.0
LIFE_SECONDS = 3.0
"""After this long without a beat a worker is gone: two beats may be lost."""
MAX_WORKERS = 100_000

_Count = Annotated[int, Meta(ge=1, le=MAX_WORKERS)]
_Rank = Annotated[int, Meta(ge=0, lt=MAX_WORKERS)]


class Redis(ScriptCaller, Protocol):
    """What is used of RedisConnection."""

    async def run_on(self, key: bytes | None, command: Command, *, seconds: float | None = None) -> Reply: ...


class Heartbeat:
    """`ports.LiveWorkers`. `at_least` are the workers this node was started with, of which some may not be heard yet.

    Before the first answer each of those takes itself for the first.
    """

    def __init__(
        self,
        redis: Redis,
        key_prefix: str,
        *,
        at_least: int = 1,
        monotonic: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.id = secrets.token_hex(8).encode()
        self.share = Share(max(1, at_least))
        self._redis = redis
        self._key = f"{key_prefix}:{compose('workers')}".encode()
        self._script = load("heartbeat.lua")
        self._at_least = self.share.workers
        self._monotonic = monotonic
        self._chance = chance
        self._settled_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to beat, in the background."""
        self._task = asyncio.create_task(self._beat_on(), name="gateway-auth heartbeat")

    async def close(self) -> None:
        """Leave, so that the others need not wait until this one is missed."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with suppress(RedisUnavailable):
            await self._redis.run_on(self._key, ("ZREM", self._key, self.id))

    async def beat(self) -> None:
        """Say that this worker lives, and hear who else does. Raises RedisUnavailable."""
        life = b"%d" % (LIFE_SECONDS * 1000)
        try:
            reply = await self._redis.call(self._script, (self._key,), (self.id, life))
            workers, rank = convert(reply, tuple[_Count, _Rank])
        except RedisUnavailable:
            # Who is heard first after an outage is not alone: the others are on their way.
            self._settled_at = self._monotonic() + LIFE_SECONDS
            raise
        except ValidationError as error:
            raise RedisUnavailable(f"Redis answered a script with something else: {error}", "garbage") from error
        if workers < self.share.workers and self._monotonic() < self._settled_at:
            return
        workers = max(workers, self._at_least)
        share = Share(workers, min(rank, workers - 1))
        if share != self.share:
            self.share = share

    async def _beat_on(self) -> None:
        while True:
            try:
                await self.beat()
            except RedisUnavailable as error:
                logger.debug("not heard as a live worker: %s", error)
            # Apart from the others, who may have been started together.
            await asyncio.sleep(BEAT_SECONDS * (0.8 + 0.2 * self._chance()))
