"""Whatever happens in whatever order, a reading is what the store said at the reading's revision.

Redis is the attacker's here: he keeps everything that was ever written, puts it back, moves it and takes it away.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.errors import StoreUnavailable
from tests.fakes import Minted, a_key, an_app
from tests.redis.shared_keys import Shared, Worker

STEPS = {
    "change key": 5, "change app": 3, "poll": 20, "read": 40, "wait": 12,
    "replay": 8, "move": 3, "drop": 1, "restart": 1,
}  # fmt: skip
"""How often each happens."""


def some_steps(chance: random.Random, count: int) -> list[str]:
    return chance.choices(list(STEPS), list(STEPS.values()), k=count)


class History(Shared):
    """Three keys of two apps, with the truth of every revision beside."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.store.batch_size = 3
        self.store.put_app(an_app("app_2"))
        self.keys: list[Minted] = [a_key("app_1"), a_key("app_1"), a_key("app_2")]
        self.truth: dict[int, dict[str, tuple[KeyRecord | None, AppRecord | None]]] = {}
        self.seen: list[tuple[object, bytes]] = []
        self.hits = 0
        for key in self.keys:
            self.store.put_key(key.record)
        self.note()

    def note(self) -> None:
        self.truth[self.store.revision] = {
            key.id: (record, self.store.apps.get(record.app_id) if record else None)
            for key in self.keys
            for record in (self.store.keys.get(key.id),)
        }

    async def take(self, step: str) -> None:
        chance, store, redis = self.chance, self.store, self.redis
        worker = chance.choice((self.one, self.two))
        key = chance.choice(self.keys)
        match step:
            case "change key":
                record = store.keys[key.id]
                status = chance.choice(("active", "disabled", "revoked"))
                store.put_key(replace(record, status=status, name=str(store.revision)))
                self.note()
            case "change app":
                app = store.apps[key.record.app_id]
                store.put_app(replace(app, status=chance.choice(("active", "disabled")), name=str(store.revision)))
                self.note()
            case "poll":
                await worker.poll()
            case "read":
                await self.read_and_compare(worker, key)
                self.seen += redis.entries.items()
            case "replay" if self.seen:
                name, value = chance.choice(self.seen)
                redis.entries[name] = value
            case "move" if len(redis.entries) > 1:
                source, target = chance.sample(sorted(redis.entries, key=str), 2)
                redis.entries[target] = redis.entries[source]
            case "drop":
                redis.entries.clear()
            case "wait":
                self.clock.advance(chance.choice((0.3, 1.0, 6.0)))
            case "restart":
                await self.restart(worker)

    async def restart(self, worker: Worker) -> None:
        await worker.cache.close()
        fresh = Worker(self.store, self.redis, self.clock)
        await fresh.start()
        if worker is self.one:
            self.one = fresh
        else:
            self.two = fresh

    async def read_and_compare(self, worker: Worker, key: Minted) -> None:
        before = worker.cache.outcomes["hit"]
        reading = await worker.read(key)
        is_hit = worker.cache.outcomes["hit"] > before
        self.hits += is_hit
        assert (reading.key, reading.app) == self.truth[reading.revision][key.id]
        # What comes from Redis is of the follower's own revision, so that the engine takes it and nothing is late.
        assert reading.revision == (worker.position if is_hit else self.store.revision)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_no_reading_is_another_than_the_stores(seed: int) -> None:
    chance = random.Random(seed)
    asyncio.run(_play(seed, some_steps(chance, chance.choice((10, 50, 200)))))


async def _play(seed: int, steps: Sequence[str]) -> int:
    history = History(seed)
    await history.start()
    for step in steps:
        await history.take(step)
    await history.one.cache.close()
    await history.two.cache.close()
    return history.hits


async def test_such_a_history_has_hits_among_its_readings() -> None:
    assert await _play(1, some_steps(random.Random(1), 1000)) > 100


async def test_a_restored_store_is_not_answered_from_its_other_history() -> None:
    history = History(3)
    await history.start()
    key = history.keys[0]
    for _ in range(10):
        history.store.changed("key", "other")
    await history.poll()
    await history.one.read(key)  # active, as of revision 17 or so
    saved = dict(history.redis.entries)
    # Back to a backup of some revisions ago; there the key is revoked, and the log grows past where it was.
    del history.store.log[-6:]
    await history.poll()
    history.store.edit_key(key.id, status="revoked")
    for _ in range(20):
        history.store.changed("key", "other")
        history.redis.entries = dict(saved)
        history.clock.advance(1)
        await history.poll()
        reading = await history.two.read(key)
        assert reading.key is not None
        assert reading.key.status == "revoked"
    await history.one.cache.close()
    await history.two.cache.close()


async def test_with_the_store_gone_nothing_is_made_up() -> None:
    history = History(4)
    await history.start()
    history.store.go_down()
    history.clock.advance(2)
    with pytest.raises(StoreUnavailable):
        await history.one.read(history.keys[0])
