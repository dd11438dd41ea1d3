"""The change log is followed: nothing is remembered past what it says, nor past the promise when nobody reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway_auth.engine import changes
from gateway_auth.engine.changes import PROMISE_SECONDS, ChangeFollower
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Change, ChangeBatch
from tests.engine.revoking import a_revocation
from tests.fakes import FakeClock, FakeStore, World, request, ticks, told


class Follower:
    """A follower with its store and clock, and the batches it handed on.

    What learns of them reads revocations, which a test may hold or fail.
    """

    def __init__(self, max_stale_seconds: float = 60.0) -> None:
        self.clock, self.store = FakeClock(), FakeStore()
        self.learnt: list[ChangeBatch] = []
        self.forgotten: list[ChangeBatch] = []
        self.changes = ChangeFollower(
            self.store, self.clock, self.forgotten.append, max_stale_seconds, learn=self.learn
        )

    async def learn(self, batch: ChangeBatch) -> None:
        await self.store.read_revocations(0)
        self.learnt.append(batch)

    @property
    def seconds_left(self) -> float:
        return self.changes.serve_until - self.clock.monotonic()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (what is waited for is the product's, and tells nobody)
            await asyncio.sleep(0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task reads every millisecond."""
    monkeypatch.setattr(changes, "POLL_SECONDS", 0.001)


# -- the task ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fast")
async def test_the_task_reads_from_where_it_started() -> None:
    follower = Follower()
    follower.store.changed("key", "before")
    await follower.changes.start()
    assert follower.changes.revision == 1
    follower.store.changed("key", "after")
    await until(lambda: follower.changes.revision == 2)
    assert [change.object_id for batch in follower.forgotten for change in batch.changes] == ["after"]
    await follower.changes.stop()


@pytest.mark.usefixtures("fast")
async def test_the_task_survives_outages_and_bugs_of_the_store(caplog: pytest.LogCaptureFixture) -> None:
    follower = Follower()
    await follower.changes.start()
    for failure in (StoreUnavailable("down"), RuntimeError("a bug"), TimeoutError()):
        follower.store.feed_failure = failure
        await until(lambda: follower.changes.is_degraded)
        follower.store.feed_failure = None
        await until(lambda: not follower.changes.is_degraded)
    await follower.changes.stop()
    assert caplog.text.count("the store cannot be read") == 3
    assert caplog.text.count("the store answers again") == 3
    assert "a bug" in caplog.text


async def test_a_start_without_store_fails() -> None:
    follower = Follower()
    follower.store.go_down()
    with pytest.raises(StoreUnavailable):
        await follower.changes.start()
    await follower.changes.stop()


async def test_what_never_started_can_be_stopped() -> None:
    follower = Follower()
    await follower.changes.stop()
    assert follower.store.polls == 0


@pytest.mark.usefixtures("fast")
async def test_after_stop_nothing_reads_any_more() -> None:
    follower = Follower()
    await follower.changes.start()
    await follower.changes.stop()
    polls = follower.store.polls
    await asyncio.sleep(0.01)
    assert follower.store.polls == polls


@pytest.mark.usefixtures("fast")
async def test_stop_leaves_no_reading_behind() -> None:
    """The store is closed next: a reading still under way would fail on it and log an outage that is none."""
    follower = Follower()
    await follower.changes.start()
    follower.store.hold(keys=False, feed=True)
    await until(lambda: bool(follower.store.waiting))
    await follower.changes.stop()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    try:
        assert left == set()
    finally:
        follower.store.release()
        await asyncio.gather(*left, return_exceptions=True)


# -- nudges --------------------------------------------------------------------------------------------------------


async def test_a_nudge_reads_at_once() -> None:
    follower = Follower()
    await follower.changes.start()
    follower.store.changed("key", "news")
    follower.changes.nudge()
    await until(lambda: follower.changes.revision == 1)
    await follower.changes.stop()


async def test_nudges_that_come_together_are_one_reading() -> None:
    follower = Follower()
    await follower.changes.start()
    for _ in range(100):
        follower.changes.nudge()
    await until(lambda: follower.store.polls == 1)
    await ticks()
    assert follower.store.polls == 1
    await follower.changes.stop()


async def test_a_nudge_while_the_log_is_read_reads_it_again() -> None:
    """The reading under way may have looked before the change that the nudge tells of."""
    follower = Follower()
    await follower.changes.start()
    follower.store.hold(keys=False, feed=True)
    follower.changes.nudge()
    await until(lambda: bool(follower.store.waiting))
    follower.store.changed("key", "news")
    follower.changes.nudge()
    await ticks()
    follower.store.release()
    await until(lambda: follower.changes.revision == 1)
    await follower.changes.stop()


async def test_a_nudge_while_a_request_has_the_log_read_reads_it_again() -> None:
    follower = Follower()
    await follower.changes.start()
    follower.store.hold(keys=False, feed=True)
    reading = asyncio.create_task(follower.changes.catch_up())
    await until(lambda: bool(follower.store.waiting))
    follower.store.changed("key", "news")
    follower.changes.nudge()
    await ticks()
    follower.store.release()
    await reading
    await until(lambda: follower.changes.revision == 1)
    await follower.changes.stop()


async def test_nudges_ask_no_store_that_has_just_failed() -> None:
    follower = Follower()
    await follower.changes.start()
    follower.store.go_down()
    follower.changes.nudge()
    await until(lambda: follower.changes.is_degraded)
    for _ in range(5):
        follower.changes.nudge()
        await ticks()
    assert follower.store.polls == 1
    await follower.changes.stop()


async def test_a_nudge_before_the_start_is_not_forgotten() -> None:
    follower = Follower()
    follower.changes.nudge()
    await follower.changes.start()
    await until(lambda: follower.store.polls == 1)
    await follower.changes.stop()


# -- reading -------------------------------------------------------------------------------------------------------


async def test_a_reading_takes_all_batches() -> None:
    follower = Follower()
    follower.store.batch_size = 3
    for number in range(10):
        follower.store.changed("key", str(number))
    await follower.changes.catch_up()
    assert [change.object_id for batch in follower.forgotten for change in batch.changes] == [str(n) for n in range(10)]
    assert follower.changes.revision == 10


async def test_nothing_new_is_handed_to_nobody() -> None:
    follower = Follower()
    await follower.changes.catch_up()
    await follower.changes.catch_up()
    assert follower.forgotten == []


async def test_a_log_that_lost_its_beginning_makes_everything_forgotten() -> None:
    follower = Follower()
    follower.store.changed("key", "a")
    await follower.changes.catch_up()
    for _ in range(5):
        follower.store.changed("key", "b")
    follower.store.pruned = 4
    await follower.changes.catch_up()
    assert [batch.is_complete for batch in follower.forgotten] == [True, False]
    assert follower.changes.revision == 6


async def test_a_store_that_went_back_in_time_makes_everything_forgotten() -> None:
    world = World()
    key = world.add_key(scopes=("a",))
    for _ in range(3):
        world.store.edit_key(key.id, scopes=("b",))
    await world.warm(key)
    world.store.keys[key.id] = key.record
    del world.store.log[1:]
    await world.poll()
    decision = await world.decide(request(key=key.text))
    assert decision.principal is not None
    assert decision.principal.scopes == {"a"}


async def test_many_who_want_to_read_share_one_reading() -> None:
    follower = Follower()
    follower.store.hold(keys=False, feed=True)
    readers = [asyncio.create_task(follower.changes.catch_up()) for _ in range(50)]
    await until(lambda: bool(follower.store.waiting))
    follower.store.release()
    assert set(await asyncio.gather(*readers)) == {True}
    assert follower.store.polls == 1


# -- what has to be learnt first -----------------------------------------------------------------------------------


async def test_a_batch_is_learnt_before_anything_counts_as_read() -> None:
    follower = Follower()
    await follower.changes.catch_up()
    until_when = follower.changes.serve_until
    follower.clock.advance(1.0)
    follower.store.changed("token", "a")
    follower.store.hold(keys=False, revocations=True)
    reading = asyncio.create_task(follower.changes.catch_up())
    await until(lambda: bool(follower.store.waiting))
    assert (follower.changes.revision, follower.changes.serve_until, follower.forgotten) == (0, until_when, [])
    follower.store.release()
    assert await reading
    assert (follower.changes.revision, follower.changes.serve_until) == (1, until_when + 1.0)
    assert follower.learnt == follower.forgotten == [ChangeBatch(1, (Change(1, "token", "a"),))]


@pytest.mark.parametrize("failure", [StoreUnavailable("down"), RuntimeError("a bug"), TimeoutError()], ids=repr)
async def test_what_could_not_be_learnt_is_a_failed_reading_and_comes_again(failure: Exception) -> None:
    follower = Follower()
    await follower.changes.catch_up()
    follower.store.changed("token", "a")
    follower.store.revocation_failure = failure
    await follower.changes.catch_up()
    assert follower.changes.is_degraded
    assert (follower.changes.revision, follower.learnt, follower.forgotten) == (0, [], [])
    follower.store.come_back()
    follower.clock.advance(1.0)
    await follower.changes.catch_up()
    assert follower.seconds_left == pytest.approx(PROMISE_SECONDS)
    assert [change.object_id for batch in follower.learnt for change in batch.changes] == ["a"]
    assert follower.changes.revision == 1


async def test_learning_that_takes_too_long_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "READ_TIMEOUT_SECONDS", 0.01)
    follower = Follower()
    follower.store.changed("token", "a")
    follower.store.hold(keys=False, revocations=True)
    assert not await follower.changes.catch_up()
    assert follower.changes.is_degraded
    assert follower.changes.revision == 0
    follower.store.release()


async def test_a_start_learns_all_there_is_as_of_after_the_revision_it_begins_at() -> None:
    """A change between the two is learnt at once, and is in the first batch too; the other order would lose it."""
    follower = Follower()
    follower.store.changed("token", "before")
    follower.store.hold(keys=False, revocations=True)
    starting = asyncio.create_task(follower.changes.start())
    await until(lambda: bool(follower.store.waiting))
    follower.store.changed("token", "between")
    assert follower.seconds_left <= 0
    follower.store.release()
    await starting
    assert follower.learnt == [ChangeBatch(1, is_complete=False)]
    assert (follower.changes.revision, follower.forgotten) == (1, [])
    await follower.changes.catch_up()
    assert [change.object_id for change in follower.learnt[1].changes] == ["between"]
    await follower.changes.stop()


async def test_where_nothing_has_to_be_learnt_batches_are_only_forgotten() -> None:
    store, forgotten = FakeStore(), list[ChangeBatch]()
    follower = ChangeFollower(store, FakeClock(), forgotten.append, 60.0)
    store.changed("key", "a")
    assert await follower.catch_up()
    assert [batch.revision for batch in forgotten] == [1]


async def test_a_start_that_cannot_learn_fails() -> None:
    follower = Follower()
    follower.store.revocation_failure = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        await follower.changes.start()
    assert follower.seconds_left <= 0
    await follower.changes.stop()


async def test_a_key_read_while_a_batch_is_learnt_is_not_remembered_as_it_was_before_the_change() -> None:
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold(keys=True)
    old = asyncio.create_task(world.decide(request(key=key.text)))
    await until(lambda: bool(world.store.waiting))
    world.store.edit_key(key.id, status="disabled")
    world.store.revoke(a_revocation())
    world.store.hold(keys=True, revocations=True)
    polling = asyncio.create_task(world.poll())
    await until(lambda: len(world.store.waiting) == 2)
    world.store.let_one_go(0)
    await until(old.done)
    world.store.release()
    assert await polling
    assert told(await world.decide(request(key=key.text))) == "credential_disabled"


# -- until when ----------------------------------------------------------------------------------------------------


async def test_nothing_may_be_used_before_the_first_reading() -> None:
    assert Follower().seconds_left <= 0


async def test_facts_may_be_used_for_two_seconds_from_before_the_reading() -> None:
    follower = Follower()
    follower.store.hold(keys=False, feed=True)
    reading = asyncio.create_task(follower.changes.catch_up())
    await until(lambda: bool(follower.store.waiting))
    follower.clock.advance(0.7)
    follower.store.release()
    assert await reading
    assert follower.seconds_left == pytest.approx(PROMISE_SECONDS - 0.7)


async def test_an_outage_lets_facts_be_used_up_to_the_limit_and_no_longer() -> None:
    follower = Follower(max_stale_seconds=10.0)
    await follower.changes.catch_up()
    follower.store.go_down()
    for second in range(1, 10):
        follower.clock.advance(1.0)
        assert await follower.changes.catch_up(), second
        assert follower.changes.is_degraded
        assert 0 < follower.seconds_left <= 2 * PROMISE_SECONDS
    follower.clock.advance(1.0)
    assert not await follower.changes.catch_up()


@pytest.mark.parametrize("max_stale_seconds", [0.0, 0.5, 1.0])
async def test_a_limit_shorter_than_the_promise_is_kept_too(max_stale_seconds: float) -> None:
    follower = Follower(max_stale_seconds)
    await follower.changes.catch_up()
    follower.store.go_down()
    follower.clock.advance(max_stale_seconds)
    assert not await follower.changes.catch_up()


async def test_an_outage_from_the_start_lets_nothing_be_used() -> None:
    follower = Follower()
    follower.store.go_down()
    assert not await follower.changes.catch_up()
    assert follower.changes.is_degraded


async def test_a_store_that_just_failed_is_not_asked_again_at_once() -> None:
    follower = Follower()
    follower.store.go_down()
    await follower.changes.catch_up()
    assert follower.changes.is_backing_off()
    for _ in range(20):
        await follower.changes.catch_up()
    assert follower.store.polls == 1
    follower.clock.advance(0.5)
    assert not follower.changes.is_backing_off()
    await follower.changes.catch_up()
    assert follower.store.polls == 2


async def test_a_reading_that_takes_too_long_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "READ_TIMEOUT_SECONDS", 0.01)
    follower = Follower()
    follower.store.hold(keys=False, feed=True)
    assert not await follower.changes.catch_up()
    assert follower.changes.is_degraded
    follower.store.release()


async def test_what_was_read_before_an_outage_in_the_middle_is_kept() -> None:
    follower = Follower()
    follower.store.batch_size = 1
    for number in range(3):
        follower.store.changed("key", str(number))
    follower.store.hold(keys=False, feed=True)
    reading = asyncio.create_task(follower.changes.catch_up())
    for _ in range(2):
        await until(lambda: bool(follower.store.waiting))
        follower.store.let_one_go()
        await asyncio.sleep(0)
    await until(lambda: bool(follower.store.waiting))
    follower.store.go_down()
    follower.store.release()
    await reading
    assert follower.changes.is_degraded
    assert follower.changes.revision == 2


async def test_when_nobody_reads_the_log_a_request_does_after_two_seconds() -> None:
    """The task is dead or stuck: still nothing is older than promised."""
    world = World()
    key = world.add_key()
    await world.warm(key)
    world.store.edit_key(key.id, status="disabled")
    world.clock.advance(PROMISE_SECONDS - 0.01)
    assert told(world.begin(request(key=key.text))) == "allow"
    world.clock.advance(0.01)
    assert told(await world.decide(request(key=key.text))) == "credential_disabled"


# -- what is told of it --------------------------------------------------------------------------------------------


async def test_how_old_the_last_reading_is_is_told() -> None:
    follower = Follower()
    assert follower.changes.age_seconds == 0
    await follower.changes.start()
    follower.clock.advance(7)
    assert follower.changes.age_seconds == 7
    await follower.changes.stop()


async def test_facts_are_usable_in_an_outage_until_they_are_too_old() -> None:
    follower = Follower(max_stale_seconds=10)
    await follower.changes.start()
    follower.clock.advance(PROMISE_SECONDS + 1)
    assert follower.changes.is_usable(), "the next request reads the log itself"
    follower.store.go_down()
    assert await follower.changes.catch_up()
    assert follower.changes.is_usable()
    follower.clock.advance(10)
    assert not await follower.changes.catch_up()
    assert not follower.changes.is_usable()
    await follower.changes.stop()
