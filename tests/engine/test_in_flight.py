"""Requests at once together with rates: what is refused holds no slot and is charged nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.adapters.memory_slots import MemorySlotStore
from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.outcome import deny_outcome
from gateway_auth.core.policy import Policy
from gateway_auth.core.slots import SlotLimit
from gateway_auth.engine.in_flight import InFlightLimits
from gateway_auth.engine.pipeline import Engine
from gateway_auth.ports import LimitStore, SlotStore
from tests.fakes import FakeClock, World, limit, request

TWO = SlotLimit("at-once", "test:at-once", 2, "key")
RATE = limit("rate", "3/minute")
BOTH = LimitSet((RATE,), (TWO,))
WHO: list[str | int] = ["alice", "alice"]


class Distant:
    """Rates or slots that have to be waited for. `answer` comes instead of theirs, `now` at once."""

    def __init__(self, near: MemoryLimitStore | MemorySlotStore) -> None:
        self.near = near
        self.answer: LimitOutcome | Exception | None = None
        self.now: LimitOutcome | Exception | None = None
        self.waits = asyncio.Event()
        self.takes = 0

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        self.takes += 1
        await self.waits.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or self.near.take_now(limits, partitions)


class Bench:
    """Both stores, near or distant."""

    def __init__(self, *, are_slots_distant: bool = False, are_rates_distant: bool = False) -> None:
        self.clock = FakeClock()
        self.near_slots = MemorySlotStore()
        self.near_rates = MemoryLimitStore(self.clock)
        self.slots = Distant(self.near_slots)
        self.rates = Distant(self.near_rates)
        self.slots.waits.set()
        self.rates.waits.set()
        rates: LimitStore = self.rates if are_rates_distant else self.near_rates
        slots: SlotStore = self.slots if are_slots_distant else self.near_slots
        self.limits = InFlightLimits(rates, slots)

    async def take(self, limits: LimitSet = BOTH) -> LimitOutcome:
        partitions = WHO[: len(limits.bys)]
        return self.limits.take_now(limits, partitions) or await self.limits.take(limits, partitions)

    def charged(self) -> int:
        """How much of the rate is taken, as far as this minute is concerned."""
        left = 0
        while self.near_rates.take_now(LimitSet((RATE,)), ["alice"]).is_admitted:
            left += 1
        return 3 - left


def release(outcome: LimitOutcome) -> None:
    assert outcome.held is not None
    outcome.held.release()


@pytest.fixture(params=[(False, False), (True, True), (False, True), (True, False)], ids=str)
def bench(request: pytest.FixtureRequest) -> Bench:
    """Slots and rates, each near or distant."""
    are_slots_distant, are_rates_distant = request.param
    return Bench(are_slots_distant=are_slots_distant, are_rates_distant=are_rates_distant)


async def test_an_admitted_request_holds_a_slot_and_is_told_of_both(bench: Bench) -> None:
    outcome = await bench.take()
    assert (outcome.is_admitted, outcome.status, outcome.counted) == (True, (2, 60, 1), None)
    assert bench.near_slots.held() == 1
    release(outcome)
    assert bench.near_slots.held() == 0


async def test_what_the_slots_refuse_is_not_charged(bench: Bench) -> None:
    for _ in range(2):
        await bench.take()
    refused = await bench.take()
    assert (refused.is_admitted, refused.violated, refused.retry_after_seconds) == (False, ("at-once",), 1)
    assert refused.counted is not None
    assert refused.counted.status_format % refused.status == b'"at-once";r=0'
    assert bench.charged() == 2


async def test_what_the_rate_refuses_holds_no_slot(bench: Bench) -> None:
    for _ in range(3):
        release(await bench.take())
    refused = await bench.take()
    assert (refused.is_admitted, refused.violated, refused.held) == (False, ("rate",), None)
    assert refused.status == (0, 60, 2)
    assert refused.retry_after_seconds == 60
    assert bench.near_slots.held() == 0


async def test_each_kind_alone(bench: Bench) -> None:
    rate = await bench.take(LimitSet((RATE,)))
    assert (rate.status, rate.held) == ((2, 60), None)
    slot = await bench.take(LimitSet((), (TWO,)))
    assert (slot.status, slot.counted) == ((1,), None)
    await bench.take(LimitSet((), (TWO,)))
    refused = await bench.take(LimitSet((), (TWO,)))
    assert (refused.is_admitted, refused.status, refused.counted) == (False, (0,), None)


async def test_one_cancelled_while_the_rate_is_asked_holds_nothing() -> None:
    bench = Bench(are_rates_distant=True)
    bench.rates.waits.clear()
    task = asyncio.create_task(bench.take())
    await asyncio.sleep(0)
    assert bench.near_slots.held() == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bench.near_slots.held() == 0


@pytest.mark.parametrize("is_at_once", [True, False], ids=["at once", "waited for"])
async def test_a_rate_that_breaks_holds_nothing(is_at_once: bool) -> None:
    bench = Bench(are_rates_distant=True)
    bench.rates.answer = ZeroDivisionError("bug")
    bench.rates.now = bench.rates.answer if is_at_once else None
    with pytest.raises(ZeroDivisionError):
        await bench.take()
    assert bench.near_slots.held() == 0


async def test_slots_that_cannot_be_counted_and_must_be_refuse() -> None:
    bench = Bench(are_slots_distant=True)
    bench.slots.answer = LimitOutcome(False, (), 1, is_unavailable=True)
    assert (await bench.take()).is_unavailable
    assert bench.charged() == 0


async def test_a_rate_that_cannot_be_counted_and_must_be_gives_the_slot_back() -> None:
    bench = Bench(are_rates_distant=True)
    bench.rates.answer = LimitOutcome(False, (), 1, is_unavailable=True)
    outcome = await bench.take()
    assert (outcome.is_unavailable, outcome.is_admitted, outcome.held) == (True, False, None)
    assert bench.near_slots.held() == 0


async def test_rates_are_not_waited_for_when_the_slots_were_in_vain() -> None:
    bench = Bench(are_slots_distant=True, are_rates_distant=True)
    bench.rates.now = LimitOutcome(True, (0, 60), counted=LimitSet((RATE,)))
    assert (await bench.limits.take(BOTH, WHO)).is_admitted
    assert bench.rates.takes == 0


async def test_what_is_counted_elsewhere_is_told_of_each_kind() -> None:
    bench = Bench(are_slots_distant=True, are_rates_distant=True)
    kept = LimitSet((), (TWO,))
    bench.slots.answer = LimitOutcome(True, (), counted=LimitSet())
    outcome = await bench.take()
    assert outcome.counted is not None
    assert (outcome.counted.limits, outcome.counted.slots, outcome.status) == ((RATE,), (), (2, 60))
    bench.slots.answer = LimitOutcome(True, (1,), counted=kept, held=(await bench.near_slots.take(kept, ["x"])).held)
    bench.rates.answer = LimitOutcome(True, (), counted=LimitSet())
    outcome = await bench.take()
    assert outcome.counted is not None
    assert (outcome.counted.limits, outcome.counted.slots, outcome.status) == ((), (TWO,), (1,))
    bench.slots.answer = None
    outcome = await bench.take()
    assert outcome.counted is not None
    assert (outcome.counted.limits, outcome.counted.slots) == ((), (TWO,))


async def test_what_is_refused_elsewhere_is_told_as_it_was_counted() -> None:
    bench = Bench(are_slots_distant=True)
    kept = LimitSet((), (TWO,))
    bench.slots.answer = LimitOutcome(False, (0,), 1, ("at-once",), kept)
    outcome = await bench.take()
    assert outcome.counted is kept


async def test_slots_not_counted_at_all_have_nothing_to_give_back() -> None:
    bench = Bench(are_slots_distant=True)
    bench.slots.answer = LimitOutcome(True, (), counted=LimitSet())
    for _ in range(3):
        await bench.take()
    assert not (await bench.take()).is_admitted


# -- what becomes of a request -------------------------------------------------------------------------------------


async def engine_over(bench: Bench, limits: LimitSet) -> tuple[Engine, str]:
    world = World((Policy(id="orders", path="/orders", limits=limits),), clock=bench.clock)
    engine = Engine(world.engine.rules, world.verifier, bench.limits, world.brake, world.changes, world.clock)
    key = world.add_key().text
    await world.poll()
    return engine, key


async def test_a_request_that_finds_no_slot_is_429(bench: Bench) -> None:
    engine, key = await engine_over(bench, BOTH)
    for _ in range(2):
        assert isinstance(await engine.decide(request(key=key)), Allow)
    denied = await engine.decide(request(key=key))
    assert isinstance(denied, Deny)
    assert denied.reason is Reason.RATE_LIMITED
    outcome = deny_outcome(denied, "gateway", "id")
    headers = dict(outcome.headers)
    assert (outcome.status, headers[b"retry-after"]) == (429, b"1")
    assert headers[b"ratelimit-policy"] == b'"at-once";q=2;qu="concurrent-requests"'
    assert headers[b"ratelimit"] == b'"at-once";r=0'
    assert b'"violated-policies":["at-once"]' in outcome.body


async def test_only_what_was_admitted_holds_a_slot(bench: Bench) -> None:
    engine, key = await engine_over(bench, LimitSet((), (TWO,)))
    refused = [
        request(),
        request(key="gwk_nonsense"),
        request("GET", "/nowhere", key=key),
        request(key=key, body_bytes=1 << 30),
    ]
    for facts in refused:
        assert isinstance(await engine.decide(facts), Deny)
    assert bench.near_slots.held() == 0
    allowed = await engine.decide(request(key=key))
    assert isinstance(allowed, Allow)
    assert allowed.outcome is not None
    assert (bench.near_slots.held(), allowed.is_degraded) == (1, False)
    release(allowed.outcome)
    assert bench.near_slots.held() == 0
