"""Slots of all workers: what the table is told and when, and what a cancelled request leaves (L13, 063)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway_auth.engine.shared_slots import SharedSlots
from gateway_auth.engine.slot_teller import MAX_BATCH, RENEWALS
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import SlotStore
from tests.adapters.slot_conformance import SlotStoreConformance, of, release, slots
from tests.engine.slot_workers import LEASE, Table, Worker, settled
from tests.fakes import FakeClock
from tests.redis.patience import until


@pytest.fixture
def table() -> Table:
    return Table(FakeClock())


@pytest.fixture
def pair(table: Table) -> tuple[Worker, Worker]:
    return Worker(table, 0, 2), Worker(table, 1, 2)


class TestSharedSlots(SlotStoreConformance):
    @pytest.fixture
    async def store(self) -> SlotStore:
        return Worker(Table(FakeClock())).store

    def held(self, store: SlotStore) -> int:
        assert isinstance(store, SharedSlots)
        return store.held()


# -- one table -----------------------------------------------------------------------------------------------------


async def test_it_never_knows_without_waiting_while_the_table_is_there(table: Table) -> None:
    assert Worker(table).store.take_now(of(slots(1)), ["alice"]) is None


async def test_workers_share_the_slots(pair: tuple[Worker, Worker]) -> None:
    one, other = pair
    limits = of(slots(5))
    held = [*await one.admitted(limits, 3), *await other.admitted(limits, 9)]
    assert len(held) == 5
    release(held[:1])
    await settled(one)
    assert len(await other.admitted(limits, 9)) == 1


async def test_the_table_knows_when_all_are_free(table: Table, pair: tuple[Worker, Worker]) -> None:
    limits = of(slots(50))
    release([outcome for worker in pair for outcome in await worker.admitted(limits, 20)])
    await settled(*pair)
    assert table.total() == 0
    assert [worker.store._teller._told for worker in pair] == [{}, {}]


async def test_a_refused_wish_is_not_told_as_held(table: Table, pair: tuple[Worker, Worker]) -> None:
    one, other = pair
    limits = of(slots(1))
    await one.admitted(limits, 1)
    for _ in range(3):
        assert not await other.admitted(limits, 1)
    assert [held for held, _ in other.voice.calls] == [{}, {}, {}]
    assert other.store._teller._told == {}


async def test_a_call_is_about_no_more_names_than_a_batch_and_leaves_room_for_what_was_given_back(
    table: Table,
) -> None:
    worker = Worker(table)
    limits = of(slots(1), slots(200))
    tasks = [asyncio.create_task(worker.take(limits, number, 0)) for number in range(200)]
    held = await asyncio.gather(*tasks)
    assert all(outcome.is_admitted for outcome in held)
    release(held)
    again = await asyncio.gather(*(worker.take(limits, number, 0) for number in range(1000, 1200)))
    await settled(worker)
    release(again)
    await settled(worker)
    assert table.total() == 0


async def test_a_wish_of_more_names_than_a_batch_goes_alone() -> None:
    table = Table(FakeClock())
    worker = Worker(table)
    wide = of(*(slots(1) for _ in range(MAX_BATCH)))
    outcomes = await asyncio.gather(worker.take(wide), worker.take(wide), worker.take(of(slots(1))))
    assert [outcome.is_admitted for outcome in outcomes] == [True, False, True]


# -- cancelled callers ---------------------------------------------------------------------------------------------


async def test_one_cancelled_before_it_was_sent_asked_nothing(table: Table) -> None:
    worker = Worker(table)
    table.holds = True
    limits = of(slots(5))
    first = asyncio.create_task(worker.take(limits))
    await asyncio.sleep(0.001)
    second = asyncio.create_task(worker.take(limits))
    await asyncio.sleep(0.001)
    second.cancel()
    table.holds = False
    table.waiting.pop().set()
    assert (await first).status == (4,)
    await settled(worker)
    assert (worker.store.held(), table.total()) == (1, 1)


async def test_nothing_is_asked_when_nobody_waits_any_more(table: Table) -> None:
    worker = Worker(table)
    task = asyncio.create_task(worker.take(of(slots(5))))
    asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    await settled(worker)
    assert worker.voice.calls == []


async def test_an_answer_that_took_longer_than_the_lease_breaks_nothing(table: Table) -> None:
    worker = Worker(table)
    (held,) = await worker.admitted(of(slots(5)), 1)
    table.holds = True
    release([held])
    await asyncio.sleep(0.001)
    table.clock.advance(LEASE)
    worker.renew()
    table.holds = False
    table.waiting.pop().set()
    await settled(worker)
    assert (worker.store._teller._told, table.total()) == ({}, 0)


async def test_one_cancelled_while_it_was_asked_for_gives_back_what_it_was_granted(table: Table) -> None:
    worker = Worker(table)
    table.holds = True
    task = asyncio.create_task(worker.take(of(slots(5))))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    table.holds = False
    table.waiting.pop().set()
    await settled(worker)
    assert (worker.store.held(), table.total()) == (0, 0)
    assert len(worker.voice.calls) == 2


@pytest.mark.parametrize("failure", [None, RedisUnavailable("no", "timeout")], ids=["refused", "lost"])
async def test_one_cancelled_while_it_was_asked_for_in_vain_holds_nothing(
    table: Table, failure: Exception | None
) -> None:
    worker = Worker(table)
    limits = of(slots(1))
    await Worker(table, 1).admitted(limits, 1)
    table.holds, table.failure = True, failure
    task = asyncio.create_task(worker.take(limits))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    table.holds = False
    table.waiting.pop().set()
    await settled(worker)
    assert (worker.store.held(), table.total()) == (0, 1)


@pytest.mark.parametrize("granted", [True, False], ids=["granted", "refused"])
async def test_one_cancelled_in_the_turn_of_its_answer_holds_nothing(table: Table, granted: bool) -> None:
    worker = Worker(table)
    limits = of(slots(1))
    if not granted:
        await Worker(table, 1).admitted(limits, 1)
    before = table.total()
    task = asyncio.create_task(worker.take(limits))
    teller = worker.store._teller
    heard = teller._heard

    def heard_and_cancelled(*arguments: Any) -> None:
        heard(*arguments)
        task.cancel()

    teller._heard = heard_and_cancelled  # type: ignore[method-assign, assignment] # it is watched
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    await settled(worker)
    assert (worker.store.held(), table.total()) == (0, before)


# -- leases --------------------------------------------------------------------------------------------------------


async def test_a_worker_that_died_holds_its_slots_no_longer_than_the_lease(
    table: Table, pair: tuple[Worker, Worker]
) -> None:
    dead, other = pair
    limits = of(slots(5))
    await dead.admitted(limits, 5)
    table.clock.advance(LEASE - 1)
    assert not await other.admitted(limits, 1)
    table.clock.advance(1)
    assert len(await other.admitted(limits, 9)) == 5


async def test_what_runs_for_long_is_told_again_in_time(table: Table, pair: tuple[Worker, Worker]) -> None:
    one, other = pair
    limits = of(slots(1))
    held = await one.admitted(limits, 1)
    for _ in range(20):
        table.clock.advance(LEASE / RENEWALS)
        one.renew()
        await settled(one)
        assert not await other.admitted(limits, 1)
    release(held)
    await settled(one)
    assert await other.admitted(limits, 1)


async def test_nothing_is_told_again_before_it_has_to_be(table: Table) -> None:
    worker = Worker(table)
    await worker.admitted(of(slots(1)), 1)
    table.clock.advance(LEASE / RENEWALS - 0.1)
    worker.renew()
    await settled(worker)
    assert len(worker.voice.calls) == 1


async def test_the_timer_of_a_worker_that_holds_something_runs_and_of_another_does_not(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(table)
    worker.store._teller._renew_seconds = 0.0
    held = await worker.admitted(of(slots(1)), 1)
    await until(lambda: len(worker.voice.calls) >= 4)
    release(held)
    await settled(worker)
    calls = len(worker.voice.calls)
    await asyncio.sleep(0.01)
    assert len(worker.voice.calls) == calls
    assert worker.store._teller._timer is None


async def test_who_closes_frees_what_it_held(table: Table, pair: tuple[Worker, Worker]) -> None:
    one, other = pair
    limits = of(slots(200))
    held = [await one.take(limits, number) for number in range(MAX_BATCH + 5)]
    await one.store.close()
    assert table.total() == 0
    release(held)  # by requests that end after that
    assert one.is_idle
    assert await other.admitted(limits, 1)


async def test_closing_while_the_table_is_away_says_so_quietly(table: Table) -> None:
    worker = Worker(table)
    await worker.admitted(of(slots(5)), 5)
    table.failure = RedisUnavailable("no", "refused")
    await worker.store.close()
    assert table.total() == 5


async def test_closing_cancels_who_waits(table: Table) -> None:
    worker = Worker(table)
    table.holds = True
    tasks = [asyncio.create_task(worker.take(of(slots(5)))) for _ in range(3)]
    await asyncio.sleep(0.001)
    late = asyncio.create_task(worker.take(of(slots(5))))
    await asyncio.sleep(0.001)
    table.holds = False
    await worker.store.close()
    answers = await asyncio.gather(*tasks, late, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
    assert worker.store.held() == 0


async def test_closing_what_was_never_used(table: Table) -> None:
    worker = Worker(table)
    await worker.store.close()
    assert worker.voice.calls == []


def test_a_request_that_ends_after_its_loop_breaks_nothing(table: Table) -> None:
    worker = Worker(table)
    (held,) = asyncio.run(worker.admitted(of(slots(1)), 1))
    release([held])
    assert worker.store.held() == 0
