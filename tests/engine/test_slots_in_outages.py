"""Slots while not all workers can be counted, and what is known of them after it (L05, L13)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway_auth.core.shares import Share
from gateway_auth.engine import slot_teller
from gateway_auth.errors import RedisUnavailable
from tests.adapters.slot_conformance import of, release, slots
from tests.engine.slot_workers import LEASE, Table, Worker, settled
from tests.fakes import FakeClock
from tests.redis.patience import until


@pytest.fixture
def table() -> Table:
    return Table(FakeClock())


@pytest.fixture
def pair(table: Table) -> tuple[Worker, Worker]:
    return Worker(table, 0, 2), Worker(table, 1, 2)


@pytest.mark.parametrize("is_known", [True, False], ids=["known to be away", "found out"])
@pytest.mark.parametrize(("rank", "expected"), [(0, 2), (1, 2), (2, 1)])
async def test_local_is_this_workers_part(table: Table, rank: int, expected: int, is_known: bool) -> None:
    worker = Worker(table, rank, 3)
    worker.is_reachable = not is_known
    table.failure = RedisUnavailable("no", "refused")
    limits = of(slots(5))
    outcomes = [await worker.take(limits) for _ in range(9)]
    held = [outcome for outcome in outcomes if outcome.is_admitted]
    assert len(held) == expected
    assert outcomes[-1].violated == ("at-once",)
    assert all(o.counted is not None and o.counted.policy_header == limits.policy_header for o in outcomes)
    release(held[:1])
    assert len(await worker.admitted(limits, 9)) == 1
    assert worker.store.uncounted == {"local": 18}


async def test_what_is_held_from_before_counts_in_the_outage(table: Table) -> None:
    worker = Worker(table)
    limits = of(slots(5))
    held = await worker.admitted(limits, 3)
    worker.is_reachable = False
    assert len(await worker.admitted(limits, 9)) == 2
    release(held)
    assert len(await worker.admitted(limits, 9)) == 3


async def test_what_was_lent_in_the_outage_is_told_after_it(table: Table, pair: tuple[Worker, Worker]) -> None:
    one, other = pair
    limits = of(slots(4))
    table.failure = RedisUnavailable("no", "refused")
    held = await one.admitted(limits, 9)
    assert len(held) == 2
    await settled(one)
    table.failure = None
    one.renew()
    await settled(one)
    assert table.total() == 2
    assert len(await other.admitted(limits, 9)) == 2
    release(held)
    await settled(one)
    assert table.total() == 2


async def test_what_was_missed_is_told_as_soon_as_the_table_is_known_to_be_back(table: Table) -> None:
    worker = Worker(table)
    worker.is_reachable, table.failure = False, RedisUnavailable("no", "open")
    await worker.admitted(of(slots(4)), 3)
    await settled(worker)
    worker.store.look()
    assert worker.is_idle
    worker.is_reachable, table.failure = True, None
    worker.store.look()
    await settled(worker)
    assert table.total() == 3


async def test_a_wish_nobody_knows_the_fate_of_is_made_good(table: Table, pair: tuple[Worker, Worker]) -> None:
    one, other = pair
    limits = of(slots(1))
    table.failure, table.is_deaf = RedisUnavailable("no", "timeout"), False
    outcome = await one.take(limits)
    assert outcome.counted is not None  # lent here, as its part
    release([outcome])
    await settled(one)
    assert table.total() == 1  # it was heard, though nobody heard the answer
    table.failure = None
    one.renew()
    await settled(one)
    assert table.total() == 0
    assert await other.admitted(limits, 1)


async def test_releases_are_told_until_they_are_heard(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_teller, "RETRY_SECONDS", 0.001)
    worker = Worker(table)
    held = await worker.admitted(of(slots(5)), 5)
    table.failure = RedisUnavailable("no", "timeout")
    release(held)
    await until(lambda: len(worker.voice.calls) >= 10)
    table.failure = None
    await until(lambda: table.total() == 0)


async def test_failing_is_not_tried_again_by_every_release(table: Table) -> None:
    worker = Worker(table)
    held = await worker.admitted(of(slots(50)), 50)
    table.failure = RedisUnavailable("no", "timeout")
    for one in held:
        release([one])
        await settled(worker)
    assert len(worker.voice.calls) == 51


async def test_an_outage_leaves_no_names_behind(table: Table) -> None:
    worker = Worker(table)
    limits = of(slots(5))
    release([await worker.take(limits, number) for number in range(100)])
    table.failure = RedisUnavailable("no", "refused")
    release([await worker.take(limits, number) for number in range(1000, 1100)])
    await settled(worker)
    worker.is_reachable = False
    for number in range(5000):
        release([await worker.take(limits, number)])
    teller = worker.store._teller
    assert len(teller._told) == len(teller._untold) <= 200
    table.clock.advance(LEASE)
    worker.renew()
    await settled(worker)
    assert (teller._told, teller._untold) == ({}, {})


async def test_those_behind_a_failed_call_are_not_sent(table: Table) -> None:
    worker = Worker(table)
    limits = of(*(slots(1000) for _ in range(40)))
    table.failure = RedisUnavailable("no", "timeout")
    outcomes = await asyncio.gather(*(worker.take(limits, *[number] * 40) for number in range(5)))
    assert all(outcome.counted is not None for outcome in outcomes)
    assert len(worker.voice.calls) == 1


async def test_other_workers_change_the_part(table: Table) -> None:
    worker = Worker(table)
    worker.is_reachable = False
    limits = of(slots(10))
    release(await worker.admitted(limits, 10))
    worker.workers.share = Share(10, 9)
    assert len(await worker.admitted(limits, 10)) == 1


async def test_deny_refuses_and_allow_does_not_count(table: Table) -> None:
    worker = Worker(table)
    worker.is_reachable = False
    deny, allow, local = (slots(2, mode, on_unavailable=mode) for mode in ("deny", "allow", "local"))
    refused = await worker.take(of(local, deny))
    assert (refused.is_admitted, refused.is_unavailable, refused.retry_after_seconds) == (False, True, 1)
    free = await worker.take(of(allow))
    assert (free.is_admitted, free.status, free.held) == (True, (), None)
    assert free.counted is not None
    assert not free.counted
    both = await worker.admitted(of(allow, local), 9)
    assert [outcome.status for outcome in both] == [(1,), (0,)]
    assert worker.store.uncounted == {"deny": 1, "allow": 10, "local": 9}


async def test_a_bug_is_told_to_who_waits_and_logged(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(table)
    table.failure = ZeroDivisionError("bug")
    with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError):
        await worker.take(of(slots(1)))
    await settled(worker)
    assert "failed" in caplog.text
    table.failure = None
    assert (await worker.take(of(slots(1)))).is_admitted
