"""What the change log says of an old reading."""

from __future__ import annotations

import pytest

from gateway_auth.adapters.redis.recent_changes import MAX_SKEW_SECONDS, VOUCH_SECONDS, RecentChanges
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import ChangeBatch
from tests.fakes import FakeClock, FakeStore


class Bench:
    """A log, and what one worker remembers of it. Readings are made now unless told otherwise."""

    def __init__(self, max_changes: int = 100) -> None:
        self.clock = FakeClock()
        self.store = FakeStore()
        self.changes = RecentChanges(self.store, self.clock, max_changes=max_changes)
        self._position = 0

    async def start(self) -> None:
        self._position = await self.changes.current_revision()
        self.clock.advance(MAX_SKEW_SECONDS)
        await self.poll()

    async def poll(self) -> ChangeBatch:
        """As the follower does: until there is no more."""
        while True:
            batch = await self.changes.changes_since(self._position)
            has_more = batch.is_complete and batch.revision > self._position
            self._position = batch.revision
            if not has_more:
                return batch

    def vouch(self, revision: int, key_id: str = "key", app_id: str = "app") -> int | None:
        return self.changes.vouch(revision, self.clock.now(), key_id, app_id)


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    for _ in range(5):
        bench.store.changed("key", "old")
    await bench.start()
    return bench


def test_before_the_log_was_read_nothing_is_vouched_for() -> None:
    bench = Bench()
    assert [bench.vouch(revision) for revision in (-1, 0, 1)] == [None, None, None]


async def test_a_reading_of_the_present_revision_holds(bench: Bench) -> None:
    assert bench.vouch(5) == 5


@pytest.mark.parametrize("revision", [-1, 0, 4], ids=str)
async def test_a_reading_from_before_what_is_remembered_may_not(bench: Bench, revision: int) -> None:
    assert bench.vouch(revision) is None


async def test_a_reading_that_is_ahead_may_not(bench: Bench) -> None:
    assert bench.vouch(6) is None


async def test_a_reading_holds_while_others_change(bench: Bench) -> None:
    bench.store.changed("key", "other")
    bench.store.changed("app", "other")
    bench.store.changed("key", "app")
    bench.store.changed("app", "key")
    bench.store.changed("token", "key")
    await bench.poll()
    assert bench.vouch(5) == 10


@pytest.mark.parametrize("kind", ["key", "app"])
async def test_a_reading_from_before_a_change_does_not(bench: Bench, kind: str) -> None:
    bench.store.changed("key", "other")
    bench.store.changed(kind, kind)  # type: ignore[arg-type]  # both are kinds
    bench.store.changed("key", "other")
    await bench.poll()
    assert [bench.vouch(revision) for revision in (5, 6)] == [None, None]
    assert [bench.vouch(revision) for revision in (7, 8)] == [8, 8]


async def test_the_last_of_many_changes_counts(bench: Bench) -> None:
    for _ in range(3):
        bench.store.changed("key", "key")
        await bench.poll()
    assert [bench.vouch(revision) for revision in (5, 6, 7, 8)] == [None, None, None, 8]


async def test_what_is_forgotten_raises_the_floor() -> None:
    bench = Bench(max_changes=3)
    await bench.start()
    for number in range(5):
        bench.store.changed("key", f"key {number}")
    await bench.poll()
    # Changes 1 and 2 are forgotten: a reading of 1 may be older than one of them.
    assert [bench.vouch(revision, "any") for revision in (0, 1, 2)] == [None, None, 5]


async def test_in_the_middle_of_a_backlog_nothing_new_is_vouched_for(bench: Bench) -> None:
    bench.store.batch_size = 2
    for _ in range(4):
        bench.store.changed("key", "other")
    bench.clock.advance(VOUCH_SECONDS)
    await bench.changes.changes_since(5)
    assert bench.vouch(7) is None
    await bench.changes.changes_since(7)
    assert bench.vouch(9) is None
    await bench.changes.changes_since(9)
    assert bench.vouch(9) == 9


async def test_it_is_vouched_for_no_longer_than_facts_in_memory(bench: Bench) -> None:
    bench.clock.advance(VOUCH_SECONDS - 0.001)
    assert bench.vouch(5) == 5
    bench.clock.advance(0.001)
    assert bench.vouch(5) is None
    await bench.poll()
    assert bench.vouch(5) == 5


async def test_a_log_that_cannot_be_read_vouches_for_nothing_new(bench: Bench) -> None:
    bench.store.go_down()
    bench.clock.advance(VOUCH_SECONDS)
    with pytest.raises(StoreUnavailable):
        await bench.poll()
    assert bench.vouch(5) is None


async def test_time_counts_from_before_the_reading(bench: Bench) -> None:
    bench.clock.advance(VOUCH_SECONDS)

    class Slow(FakeStore):
        async def changes_since(self, revision: int) -> ChangeBatch:
            bench.clock.advance(VOUCH_SECONDS)
            return await super().changes_since(revision)

    bench.store.__class__ = Slow
    await bench.poll()
    assert bench.vouch(5) is None


async def test_when_the_log_no_longer_tells_what_is_known_begins_anew(bench: Bench) -> None:
    for _ in range(4):
        bench.store.changed("key", "other")
    bench.store.pruned = 7
    assert not (await bench.poll()).is_complete
    bench.clock.advance(MAX_SKEW_SECONDS)
    await bench.poll()
    assert [bench.vouch(revision) for revision in (5, 8, 9)] == [None, None, 9]


async def test_readings_of_another_history_are_not_compared_with_this_one(bench: Bench) -> None:
    for _ in range(10):
        bench.store.changed("key", "other")
    await bench.poll()
    read_at = bench.clock.now()
    assert bench.vouch(12) == 15
    # The store is put back from a backup, and goes on from there another way.
    del bench.store.log[8:]
    await bench.poll()
    for _ in range(10):
        bench.store.changed("key", "another")
    for _ in range(20):
        bench.clock.advance(1)
        await bench.poll()
        assert bench.changes.vouch(12, read_at, "key", "app") is None
    assert bench.vouch(12) == 18


async def test_nor_are_readings_from_before_this_worker_began(bench: Bench) -> None:
    before_it_began = bench.clock.now() - MAX_SKEW_SECONDS - 0.001
    assert bench.changes.vouch(5, before_it_began, "key", "app") is None


async def test_a_reader_who_asks_from_further_on_left_a_gap(bench: Bench) -> None:
    for _ in range(4):
        bench.store.changed("key", "key")
    await bench.changes.changes_since(8)
    bench.clock.advance(MAX_SKEW_SECONDS)
    await bench.changes.changes_since(9)
    assert [bench.vouch(revision) for revision in (5, 8, 9)] == [None, None, 9]


async def test_asking_again_changes_nothing(bench: Bench) -> None:
    bench.store.changed("key", "key")
    for _ in range(3):
        await bench.changes.changes_since(5)
    await bench.changes.changes_since(6)
    assert [bench.vouch(revision) for revision in (5, 6)] == [None, 6]
