"""Leased limits are answered here as a rule, all or nothing, and tell what they know (L09, L18)."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from gateway_auth.core.limits import LimitOutcome, LimitSet
from tests.engine.lease_bench import BUSY, PACE, Bench
from tests.fakes import limit, ticks


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- at once, as a rule --------------------------------------------------------------------------------------------


async def test_the_first_request_is_counted_by_all(bench: Bench) -> None:
    assert bench.limits.take_now(BUSY, ["alice"]) is None
    assert await bench.limits.take(BUSY, ["alice"]) == LimitOutcome(True, (59_999, 60))
    assert bench.charged() == 1


async def test_many_requests_are_few_questions_and_wait_for_none(bench: Bench) -> None:
    await bench.warm()
    before = bench.shares.calls
    for _ in range(5000):
        outcome = bench.limits.take_now(BUSY, ["alice"])
        assert outcome is not None
        assert outcome.is_admitted
        await ticks(4)
        bench.clock.advance(PACE)
    assert bench.shares.calls - before <= 10


async def test_requests_at_once_ask_at_once_and_for_one_share(bench: Bench) -> None:
    await bench.warm(times=2)
    bench.clock.advance(7)
    await bench.take(BUSY)
    bench.clock.advance(PACE)
    bench.shares.hold()
    calls = bench.shares.calls
    waiting = [asyncio.ensure_future(bench.limits.take(BUSY, ["alice"])) for _ in range(32)]
    await ticks()
    asked = [want for (want,) in bench.shares.asked[calls:]]
    assert [want.need for want in asked] == [1] * 32
    assert [want.ahead for want in asked] == [1] + [0] * 31
    bench.shares.release()
    assert all(outcome.is_admitted for outcome in await asyncio.gather(*waiting))


async def test_what_somebody_else_was_granted_meanwhile_serves_who_was_about_to_ask(bench: Bench) -> None:
    await bench.warm()
    bench.clock.advance(30)
    assert bench.limits.take_now(BUSY, ["alice"]) is None
    waiting = asyncio.ensure_future(bench.limits.take(BUSY, ["alice"]))
    await bench.warm(times=20)
    calls = bench.shares.calls
    assert (await waiting).is_admitted
    assert (await bench.limits.take(BUSY, ["alice"])).is_admitted
    assert bench.shares.calls == calls


async def test_who_begins_to_ask_when_a_share_has_come_asks_no_more(bench: Bench) -> None:
    await bench.warm(times=6)
    bench.clock.advance(30)
    bench.shares.hold()
    first = [asyncio.ensure_future(bench.limits.take(BUSY, ["alice"])) for _ in range(3)]
    await ticks(3)
    bench.shares.release()
    assert all(outcome.is_admitted for outcome in await asyncio.gather(*first))


async def test_partitions_have_hands_of_their_own(bench: Bench) -> None:
    await bench.warm(partitions=["alice"])
    assert bench.limits.take_now(BUSY, ["bob"]) is None
    assert bench.limits.take_now(BUSY, ["alice"]) is not None


async def test_a_small_limit_is_counted_exactly(bench: Bench) -> None:
    few = LimitSet((limit("few", "19/minute"),))
    admitted = [(await bench.take(few)).is_admitted for _ in range(40)]
    assert admitted == [True] * 19 + [False] * 21
    assert bench.shares.calls == 20


# -- several limits ------------------------------------------------------------------------------------------------


async def test_limits_in_hand_and_limits_asked_for_are_taken_together_or_not_at_all(bench: Bench) -> None:
    both = LimitSet((*BUSY.limits, limit("few", "3/minute")))
    await bench.warm()
    charged, left = bench.charged(), (await bench.take(BUSY)).status[0]
    for _ in range(3):
        outcome = await bench.take(both)
        assert outcome.is_admitted
    assert [want.limit.id for want in bench.shares.asked[-1]] == ["few"]
    refused = await bench.take(both)
    assert (refused.is_admitted, refused.violated, refused.retry_after_seconds) == (False, ("few",), 60)
    assert refused.status[1:] == (60, 0, 60)
    # Nothing of the other was spent for it: what is told later follows what was told before.
    assert bench.charged() == charged
    assert (await bench.take(BUSY)).status[0] >= left - 5


async def test_all_that_is_not_in_hand_is_asked_for_in_one_question(bench: Bench) -> None:
    many = LimitSet(limit(name, "60000/minute") for name in ("a", "b", "c"))
    await bench.warm(LimitSet(many.limits[1:2]))
    await bench.take(many)
    assert [[want.limit.id for want in wants] for wants in bench.shares.asked[-1:]] == [["a", "c"]]


async def test_a_set_with_an_exact_limit_is_counted_exactly_as_a_whole() -> None:
    bench = Bench(are_leased=lambda of: of.id != "exact")
    mixed = LimitSet((*BUSY.limits, limit("exact", "2/minute")))
    assert bench.limits.take_now(mixed, ["a", "a"]) == LimitOutcome(True, (59_999, 60, 1, 60))
    assert (await bench.limits.take(mixed, ["a", "a"])).is_admitted
    assert not (await bench.limits.take(mixed, ["a", "a"])).is_admitted
    assert bench.shares.calls == 0


async def test_a_limit_that_stands_twice_in_a_set_is_counted_exactly(bench: Bench) -> None:
    assert bench.limits.take_now(LimitSet((*BUSY.limits, *BUSY.limits)), ["a", "a"]) is not None
    assert bench.shares.calls == 0


async def test_a_limit_of_two_sets_has_one_hand(bench: Bench) -> None:
    await bench.warm()
    assert bench.limits.take_now(LimitSet(BUSY.limits), ["alice"]) is not None


async def test_costs_are_spent_whole(bench: Bench) -> None:
    costly = LimitSet((limit("costly", "60000/minute", cost=7),))
    await bench.warm(costly, 50)
    before = await bench.take(costly)
    after = await bench.take(costly)
    assert before.status[0] - after.status[0] == 7


# -- refused -------------------------------------------------------------------------------------------------------


async def test_a_known_refusal_asks_nobody(bench: Bench) -> None:
    few = LimitSet((limit("few", "10/minute"),))
    for _ in range(10):
        await bench.take(few)
    refused = await bench.take(few)
    calls = bench.shares.calls
    bench.clock.advance(5.5)
    again = await bench.take(few)
    assert (refused.retry_after_seconds, again.retry_after_seconds) == (60, 55)
    assert (again.is_admitted, again.status, again.violated) == (False, (0, 55), ("few",))
    assert bench.shares.calls == calls
    bench.clock.advance(0.5)
    assert not (await bench.take(few)).is_admitted
    assert bench.shares.calls == calls + 1


async def test_a_known_refusal_of_one_limit_is_told_only_where_the_others_are_known(bench: Bench) -> None:
    few = limit("few", "1/minute")
    await bench.take(LimitSet((few,)))
    assert not (await bench.take(LimitSet((few,)))).is_admitted
    both = LimitSet((few, *BUSY.limits))
    assert bench.limits.take_now(both, ["alice", "alice"]) is None
    told = await bench.limits.take(both, ["alice", "alice"])
    assert told.status == (0, 60, 60_000, 0)
    assert bench.limits.take_now(both, ["alice", "alice"]) == told
    assert bench.charged() == 0


async def test_a_refusal_that_is_over_before_it_is_told_is_told(bench: Bench) -> None:
    few = LimitSet((limit("few", "1/second"),))
    await bench.take(few)
    bench.shares.hold()
    waiting = asyncio.ensure_future(bench.limits.take(few, ["alice"]))
    await ticks()
    bench.clock.advance(5)
    bench.shares.release()
    refused = await waiting
    assert (refused.is_admitted, refused.retry_after_seconds, refused.violated) == (False, 1, ("few",))


async def test_a_limit_of_zero_refuses_from_memory(bench: Bench) -> None:
    zero = LimitSet((limit("zero", "0/minute"),))
    assert [(await bench.take(zero)).is_admitted for _ in range(50)] == [False] * 50
    assert bench.shares.calls == 1


# -- what is told --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["600/minute", "600/minute fixed", "10/minute burst 600", "600/month fixed"])
async def test_what_remains_only_falls_until_the_moment_that_was_told(bench: Bench, rate: str) -> None:
    """Header case L18, for a client whose requests reach one worker."""
    limits, told, until = LimitSet((limit("x", rate),)), 600, 0.0
    bench.clock.wall = 1_699_999_980.0  # a whole minute
    random = Random(7)
    for _ in range(590):
        remaining, reset = (await bench.take(limits)).status
        now = bench.clock.monotonic()
        assert 0 <= remaining < 600
        assert reset >= 1
        assert remaining <= told or now >= until
        told, until = remaining, now + reset - 1
        bench.clock.advance(random.random() / 50)
        if random.random() < 0.05:
            await bench.limits.sweep()
