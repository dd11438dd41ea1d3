"""Two workers that share keys through a Redis in memory, over a store and a clock moved by hand."""

from __future__ import annotations

import asyncio

from gateway_auth.adapters.redis.key_cache import SharedKeyCache
from gateway_auth.adapters.redis.link import Command, Reply
from gateway_auth.adapters.redis.recent_changes import MAX_SKEW_SECONDS, RecentChanges
from gateway_auth.adapters.redis.sealed import Sealer
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import KeyReading
from tests.fakes import FakeClock, FakeStore, Minted, a_key, an_app, ticks

ENCRYPTION_KEY = bytes(range(32))


class MemoryRedis:
    """GETRANGE, SET and nothing else, in a dict that tests look into.

    `failure` is raised instead; while it `hangs`, commands wait for `hanging`.
    """

    def __init__(self) -> None:
        self.entries: dict[object, bytes] = {}
        self.lifetimes: dict[object, object] = {}
        self.failure: RedisUnavailable | None = None
        self.is_closed = True
        self.commands = 0
        self.hangs = False
        self.hanging: list[asyncio.Future[None]] = []

    async def run_on(self, key: bytes | None, command: Command) -> Reply:
        self.commands += 1
        if self.hangs:
            self.hanging.append(asyncio.get_running_loop().create_future())
            await self.hanging[-1]
        if self.failure is not None:
            raise self.failure
        match command:
            case ("GETRANGE", name, int(first), int(last)):
                return self.entries.get(name, b"")[first : last + 1]
            case ("SET", name, bytes(value), "PX", lifetime):
                self.entries[name], self.lifetimes[name] = value, lifetime
                return b"OK"
        raise AssertionError(command)

    def is_available(self, key: bytes | None = None) -> bool:
        return self.is_closed


class Worker:
    """One worker: what it remembers of the log, and its way to keys."""

    def __init__(self, store: FakeStore, redis: MemoryRedis, clock: FakeClock, key: bytes = ENCRYPTION_KEY) -> None:
        self.changes = RecentChanges(store, clock)
        self.cache = SharedKeyCache(store, redis, Sealer(key), self.changes, clock, key_prefix="gwa", seconds=30)
        self.position = 0

    async def start(self) -> None:
        self.position = await self.changes.current_revision()

    async def poll(self) -> None:
        """As the follower does."""
        while (batch := await self.changes.changes_since(self.position)).revision > self.position:
            self.position = batch.revision
        self.position = batch.revision

    async def read(self, key: Minted) -> KeyReading:
        reading = await self.cache.read_key(key.id)
        await ticks(3)
        return reading


class Shared:
    """A store, a Redis and two workers, some seconds after they started."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore()
        self.redis = MemoryRedis()
        self.store.put_app(an_app())
        self.one, self.two = (Worker(self.store, self.redis, self.clock) for _ in range(2))

    async def start(self) -> None:
        for worker in (self.one, self.two):
            await worker.start()
        self.clock.advance(MAX_SKEW_SECONDS)
        await self.poll()

    async def poll(self) -> None:
        await self.one.poll()
        await self.two.poll()

    async def key(self) -> Minted:
        """A key every worker has heard of."""
        key = a_key()
        self.store.put_key(key.record)
        await self.poll()
        return key

    @property
    def entry(self) -> object:
        """The name of the one entry."""
        (name,) = self.redis.entries
        return name
