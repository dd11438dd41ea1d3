"""Keys shared through Redis: never another answer than the store's (S02 to S06, K11, K16)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import pytest

from gateway_auth.adapters.redis import key_cache
from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.key_cache import MAX_WRITES, SharedKeyCache
from gateway_auth.adapters.redis.recent_changes import MAX_SKEW_SECONDS
from gateway_auth.adapters.redis.sealed import Sealer
from gateway_auth.errors import RedisUnavailable, StoreUnavailable
from tests.fakes import FakeStore, Minted, a_key, ticks
from tests.redis.faulty_proxy import FaultyProxy, faulty_proxy
from tests.redis.patience import until
from tests.redis.shared_keys import ENCRYPTION_KEY, Shared, Worker


@pytest.fixture
async def shared() -> AsyncIterator[Shared]:
    shared = Shared()
    await shared.start()
    yield shared
    await shared.one.cache.close()
    await shared.two.cache.close()


async def test_what_one_worker_read_another_need_not(shared: Shared) -> None:
    key = await shared.key()
    first = await shared.one.read(key)
    assert await shared.two.read(key) == first
    assert shared.store.reads == [key.id]
    assert shared.two.cache.outcomes == {"hit": 1}


async def test_it_still_holds_when_other_keys_changed(shared: Shared) -> None:
    key = await shared.key()
    await shared.one.read(key)
    await shared.key()
    reading = await shared.two.read(key)
    assert reading.revision == shared.two.position
    assert shared.store.reads == [key.id]


@pytest.mark.parametrize(
    "change",
    [
        lambda store, key: store.edit_key(key.id, status="revoked"),
        lambda store, key: store.edit_key(key.id, scopes=()),
        lambda store, key: store.edit_app("app_1", status="disabled"),
        lambda store, key: store.delete_key(key.id),
    ],
    ids=["revoked", "narrowed", "app disabled", "deleted"],
)
async def test_a_change_ends_it(shared: Shared, change: Callable[[FakeStore, Minted], object]) -> None:
    key = await shared.key()
    await shared.one.read(key)
    change(shared.store, key)
    await shared.poll()
    reading = await shared.two.read(key)
    assert reading == await shared.store.read_key(key.id)
    assert shared.two.cache.outcomes == {"unvouched": 1}


async def test_a_reading_that_began_before_a_change_and_is_written_after_it_revives_nothing(shared: Shared) -> None:
    key = await shared.key()
    shared.store.hold()
    slow = shared.one.read(key)
    task = asyncio.ensure_future(slow)
    await ticks()
    shared.store.edit_key(key.id, status="revoked")
    await shared.poll()
    shared.store.release()
    stale = await task
    assert stale.key is not None
    assert stale.key.status == "active"  # the engine compares revisions, and reads again
    assert stale.revision < shared.one.position
    reading = await shared.two.read(key)
    assert reading.key is not None
    assert reading.key.status == "revoked"


async def test_a_database_of_redis_that_was_put_back_revives_nothing(shared: Shared) -> None:
    key = await shared.key()
    await shared.one.read(key)
    saved = dict(shared.redis.entries)
    shared.store.edit_key(key.id, status="revoked")
    await shared.poll()
    await shared.one.read(key)
    shared.redis.entries = saved
    for worker in (shared.one, shared.two):
        reading = await worker.read(key)
        assert reading.key is not None
        assert reading.key.status == "revoked"


async def test_a_worker_that_started_after_a_change_is_not_fooled_either(shared: Shared) -> None:
    key = await shared.key()
    await shared.one.read(key)
    saved = dict(shared.redis.entries)
    shared.store.edit_key(key.id, status="revoked")
    late = Worker(shared.store, shared.redis, shared.clock)
    await late.start()
    shared.redis.entries = saved
    shared.clock.advance(MAX_SKEW_SECONDS)
    await late.poll()
    reading = await late.read(key)
    assert reading.key is not None
    assert reading.key.status == "revoked"
    await late.cache.close()


async def test_an_entry_is_worthless_after_its_end(shared: Shared) -> None:
    key = await shared.key()
    await shared.one.read(key)
    assert shared.redis.lifetimes[shared.entry] == 30_000
    shared.clock.advance(30)
    await shared.poll()
    await shared.two.read(key)
    assert shared.two.cache.outcomes == {"expired": 1}
    assert shared.store.reads == [key.id, key.id]


async def test_an_entry_that_was_moved_is_ignored_counted_and_told(
    shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    good, revoked = await shared.key(), await shared.key()
    await shared.one.read(good)
    await shared.one.read(revoked)
    first, second = shared.redis.entries
    shared.redis.entries[second] = shared.redis.entries[first]
    for _ in range(3):
        reading = await shared.two.read(revoked)
        assert reading.key == revoked.record
        shared.redis.entries[second] = shared.redis.entries[first]
    assert shared.two.cache.outcomes == {"forged": 3}
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("value", "outcome"),
    [(b"x", "foreign"), (b"\x80\x04.", "foreign"), (b"y" * 65_536, "foreign"), (b"y" * 70_000, "forged")],
    ids=["short", "pickle", "long", "too long"],
)
async def test_what_others_put_there_is_ignored_and_counted(shared: Shared, value: bytes, outcome: str) -> None:
    key = await shared.key()
    await shared.one.read(key)
    shared.redis.entries[shared.entry] = value
    assert (await shared.two.read(key)).key == key.record
    assert shared.two.cache.outcomes == {outcome: 1}


async def test_a_worker_with_another_encryption_key_believes_nothing(shared: Shared) -> None:
    key = await shared.key()
    await shared.one.read(key)
    other = Worker(shared.store, shared.redis, shared.clock, key=bytes(32))
    await other.start()
    await other.read(key)
    assert other.cache.outcomes == {"foreign": 1}
    await other.cache.close()


async def test_guesses_write_nothing_and_a_new_key_works_at_once(shared: Shared) -> None:
    key = a_key()
    assert (await shared.one.read(key)).key is None
    assert shared.redis.entries == {}
    shared.store.put_key(key.record)
    assert (await shared.two.read(key)).key == key.record


async def test_nothing_that_lies_there_is_a_secret_or_leads_back_to_one(shared: Shared) -> None:
    key = await shared.key()
    await shared.one.read(key)
    dump = b"".join(str(name).encode() + value for name, value in shared.redis.entries.items())
    secret = key.text[-38:].encode()
    for hidden in (secret, key.text.encode(), key.record.digest, key.record.digest.hex().encode()):
        assert hidden not in dump


async def test_while_redis_fails_the_store_answers(shared: Shared) -> None:
    key = await shared.key()
    shared.redis.failure = RedisUnavailable("gone", "timeout")
    assert (await shared.one.read(key)).key == key.record
    assert shared.one.cache.outcomes == {"unavailable": 2}


async def test_while_the_breaker_is_open_redis_is_not_even_asked(shared: Shared) -> None:
    key = await shared.key()
    shared.redis.is_closed = False
    assert (await shared.one.read(key)).key == key.record
    assert shared.one.cache.outcomes == {"left_alone": 1}
    assert shared.redis.commands == 0


async def test_while_redis_hangs_the_store_answers_in_time(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "LOOK_SECONDS", 0.01)
    key = await shared.key()
    shared.redis.hangs = True
    assert (await shared.one.cache.read_key(key.id)).key == key.record
    assert shared.one.cache.outcomes["unavailable"] == 1
    # The command was not given up with it: how it ends is how Redis is known to be away.
    assert not shared.redis.hanging[0].done()
    shared.redis.hanging[0].set_exception(RedisUnavailable("late", "timeout"))
    await ticks()
    await shared.one.cache.close()


async def test_commands_that_nobody_waits_for_any_more_are_bounded(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(key_cache, "MAX_LOOKS", 3)
    shared.redis.hangs = True
    for _ in range(5):
        await shared.one.cache.read_key(a_key().id)
    assert shared.one.cache.outcomes == {"unavailable": 3, "left_alone": 2}
    await shared.one.cache.close()


async def test_an_outage_of_the_store_is_told_as_one(shared: Shared) -> None:
    key = await shared.key()
    shared.store.go_down()
    with pytest.raises(StoreUnavailable):
        await shared.one.read(key)


async def test_redis_serves_no_longer_than_the_log_is_followed(shared: Shared) -> None:
    key = await shared.key()
    await shared.one.read(key)
    shared.store.go_down()
    shared.clock.advance(1.9)
    assert (await shared.two.read(key)).key == key.record
    shared.clock.advance(0.1)
    with pytest.raises(StoreUnavailable):
        await shared.two.read(key)


async def test_a_record_too_large_to_be_read_back_is_not_written(shared: Shared) -> None:
    key = a_key(metadata={"note": "x" * 66_000})
    shared.store.put_key(key.record)
    await shared.poll()
    await shared.one.read(key)
    assert shared.redis.entries == {}


async def test_writes_under_way_are_bounded(shared: Shared) -> None:
    keys = [await shared.key() for _ in range(MAX_WRITES + 20)]
    for key in keys:
        await shared.one.cache.read_key(key.id)
        await shared.one.cache.read_key(key.id)
    assert len(shared.one.cache._writes) <= MAX_WRITES
    await ticks()
    assert not shared.one.cache._writes


async def test_without_a_lifetime_nothing_is_written(shared: Shared) -> None:
    key = await shared.key()
    cache = SharedKeyCache(
        shared.store, shared.redis, Sealer(ENCRYPTION_KEY), shared.one.changes, shared.clock, key_prefix="g", seconds=0
    )
    await cache.read_key(key.id)
    await ticks()
    assert shared.redis.entries == {}


# -- over a real server --------------------------------------------------------------------------------------------

_prefixes = count(1)


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as running:
        yield running


@pytest.fixture
async def real(proxy: FaultyProxy, shared: Shared) -> AsyncIterator[tuple[SharedKeyCache, RedisConnection]]:
    redis = RedisConnection(proxy.url)
    cache = SharedKeyCache(
        shared.store, redis, Sealer(ENCRYPTION_KEY), shared.one.changes, shared.clock,
        key_prefix=f"real{next(_prefixes)}", seconds=30,
    )  # fmt: skip
    yield cache, redis
    await cache.close()
    await redis.close()


async def until_hit(cache: SharedKeyCache, key: Minted) -> None:
    async def is_hit() -> bool:
        before = cache.outcomes["hit"]
        await cache.read_key(key.id)
        return cache.outcomes["hit"] > before

    await until(is_hit)


async def test_over_a_real_server(shared: Shared, real: tuple[SharedKeyCache, RedisConnection]) -> None:
    cache, redis = real
    key = await shared.key()
    await until_hit(cache, key)
    await redis.run(("FLUSHALL",))
    await cache.read_key(key.id)
    assert cache.outcomes["absent"] == 2
    await until_hit(cache, key)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda proxy: setattr(proxy, "fault", "hang"),
        lambda proxy: setattr(proxy, "fault", "reset"),
        lambda proxy: setattr(proxy, "fault", "garbage"),
        lambda proxy: setattr(proxy, "fault", "half"),
        lambda proxy: setattr(proxy, "delay_seconds", 0.2),
        lambda proxy: proxy.refuse(),
    ],
    ids=["hanging", "resetting", "garbage", "half replies", "slow", "refusing"],
)
async def test_whatever_redis_does_a_known_key_is_found(
    shared: Shared,
    real: tuple[SharedKeyCache, RedisConnection],
    proxy: FaultyProxy,
    break_it: Callable[[FaultyProxy], Awaitable[None] | None],
) -> None:
    cache, _ = real
    key = await shared.key()
    await until_hit(cache, key)
    if (waiting := break_it(proxy)) is not None:
        await waiting
    for _ in range(5):
        assert (await cache.read_key(key.id)).key == key.record
    assert cache.outcomes["left_alone"] > 0
