"""What is leased and not spent goes back, whatever goes wrong, and nothing is spent that may not be (L09)."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.shares import Share
from gateway_auth.engine.leases import MAX_SETTLED, LeasedLimits
from gateway_auth.engine.own_part import OwnPart
from gateway_auth.errors import RedisUnavailable
from tests.engine.fleet import NEVER
from tests.engine.lease_bench import BUSY, PACE, Bench
from tests.fakes import limit, ticks


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- giving back ---------------------------------------------------------------------------------------------------


async def test_what_is_left_of_a_share_goes_back_when_it_ends(bench: Bench) -> None:
    await bench.warm()
    assert bench.charged() > 200
    await bench.limits.sweep()
    assert bench.charged() > 200
    bench.clock.advance(6)
    await bench.limits.sweep()
    assert bench.charged() == 200
    calls = bench.shares.calls
    await bench.limits.sweep()
    assert bench.shares.calls == calls


async def test_it_goes_back_by_itself() -> None:
    bench = Bench(sweep_seconds=0)
    await bench.warm()
    bench.clock.advance(6)
    await ticks()
    assert bench.charged() == 200
    await bench.limits.close()


async def test_closing_gives_back_everything(bench: Bench) -> None:
    await bench.warm()
    await bench.limits.close()
    assert bench.charged() == 200
    assert bench.limits.take_now(BUSY, ["alice"]) is None
    await bench.limits.close()


async def test_closing_gives_back_in_small_calls(bench: Bench) -> None:
    for number in range(3 * MAX_SETTLED):
        await bench.warm(times=5, partitions=[number])
    await bench.limits.close()
    last = [len(wants) for wants in bench.shares.asked if not any(want.need or want.ahead for want in wants)]
    assert max(last) == MAX_SETTLED
    assert sum(60_000 - window.left(0) for window in bench.shares.windows.values()) == 3 * MAX_SETTLED * 5


async def test_closing_waits_for_what_is_asked_and_gives_it_back(bench: Bench) -> None:
    await bench.warm()
    bench.clock.advance(30)
    bench.shares.hold()
    waiting = asyncio.ensure_future(bench.limits.take(BUSY, ["alice"]))
    await ticks()
    closing = asyncio.create_task(bench.limits.close())
    await ticks()
    bench.shares.release()
    assert (await waiting).is_admitted
    await closing
    assert bench.charged() == 201


async def test_closing_waits_for_no_answer_for_long(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway_auth.engine.leases.CLOSE_SECONDS", 0.01)
    await bench.warm()
    bench.shares.hold()
    waiting = asyncio.ensure_future(bench.limits.take(BUSY, ["bob"]))
    await ticks()
    await bench.limits.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [record.getMessage() for record in caplog.records] == [
        "shares of limits could not be given back in time: they count as used"
    ]


async def test_closing_ends_the_sweeping(bench: Bench) -> None:
    await bench.warm()
    assert any(task.get_name() == "gateway-auth leases" for task in asyncio.all_tasks())
    await bench.limits.close()
    assert not any(task.get_name() == "gateway-auth leases" for task in asyncio.all_tasks())


async def test_a_forgotten_partition_gives_back_its_share(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.engine.leases.MAX_HANDS", 4)
    await bench.warm(partitions=["alice"])
    for number in range(20):
        await bench.take(BUSY, [number])
    bench.clock.advance(6)
    await bench.limits.sweep()
    left = bench.shares.windows[("test:busy", "alice")].left(0)
    assert left == 60_000 - 200


# -- what may go wrong ---------------------------------------------------------------------------------------------


async def test_what_is_in_hand_is_served_while_the_counters_are_down(bench: Bench) -> None:
    await bench.warm()
    bench.shares.failure = "timeout"
    served = 0
    while (outcome := bench.limits.take_now(BUSY, ["alice"])) is not None:
        assert outcome.is_admitted
        served += 1
    assert served > 20
    with pytest.raises(RedisUnavailable):
        await bench.limits.take(BUSY, ["alice"])
    bench.shares.failure = None
    assert (await bench.take(BUSY)).is_admitted


async def test_what_the_counters_do_not_answer_is_the_fallbacks(bench: Bench) -> None:
    workers: Any = SimpleNamespace(share=Share(2, 0))
    own = OwnPart(lambda: MemoryLimitStore(bench.clock), workers, bench.clock)
    limits = LeasedLimits(bench.exact, bench.shares, bench.clock, lambda _: True, fallback=own, sweep_seconds=NEVER)
    ten = LimitSet((limit("ten", "10/minute"),))
    for _ in range(3):
        assert (await limits.take(ten, ["alice"])).counted is None
    assert own.failure == ""
    bench.shares.failure = "timeout"
    outcomes = [await limits.take(ten, ["alice"]) for _ in range(5)]
    assert [outcome.is_admitted for outcome in outcomes] == [True, True, False, False, False]  # half, less what was
    assert (own.failure, own.failures, own.uncounted) == ("timeout", {"timeout": 5}, {"local": 5})
    bench.shares.failure = None
    assert (await limits.take(ten, ["alice"])).counted is None
    assert own.failure == ""
    await limits.close()


async def test_a_share_in_hand_ends_also_while_the_counters_are_down(bench: Bench) -> None:
    await bench.warm()
    bench.shares.failure = "timeout"
    bench.clock.advance(6)
    assert bench.limits.take_now(BUSY, ["alice"]) is None
    await bench.limits.sweep()
    await bench.limits.close()


async def test_an_outage_is_met_by_one_question_ahead_per_share(bench: Bench) -> None:
    await bench.warm()
    bench.shares.failure = "timeout"
    calls = bench.shares.calls
    while bench.limits.take_now(BUSY, ["alice"]) is not None:
        await ticks(4)
    assert bench.shares.calls - calls <= 2


async def test_what_was_spent_beside_a_question_without_answer_is_there_again(bench: Bench) -> None:
    both = LimitSet((*BUSY.limits, limit("few", "3/minute")))
    await bench.warm()
    bench.shares.failure = "timeout"
    for _ in range(500):
        with pytest.raises(RedisUnavailable):
            await bench.limits.take(both, ["alice", "alice"])
    assert bench.limits.take_now(BUSY, ["alice"]) is not None


async def test_who_leaves_does_not_take_with_him_what_was_granted(bench: Bench) -> None:
    await bench.take(BUSY)
    bench.clock.advance(PACE)
    bench.shares.hold()
    waiting = asyncio.ensure_future(bench.limits.take(BUSY, ["alice"]))
    await ticks()
    waiting.cancel()
    await ticks()
    assert waiting.cancelled()
    bench.shares.release()
    await ticks()
    assert bench.limits.take_now(BUSY, ["alice"]) is not None


async def test_who_leaves_before_an_outage_is_noticed_leaves_no_complaint(bench: Bench) -> None:
    bench.shares.hold()
    bench.shares.is_lossy = True
    waiting = asyncio.ensure_future(bench.limits.take(BUSY, ["alice"]))
    await ticks()
    waiting.cancel()
    bench.shares.release()
    await ticks()
    assert waiting.cancelled()


async def test_a_bug_behind_a_question_ahead_is_told_and_the_question_asked_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.warm()
    bench.shares.error = KeyError("bug")
    while bench.limits.take_now(BUSY, ["alice"]) is not None:
        await ticks(4)
    assert caplog.records
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    bench.shares.error = None
    await bench.warm(times=10)
