"""Leased limits admit at most a twentieth too much, whoever does what, and at most a hundredth too little (L09)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.core.lease import LENT_PART
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.rates import parse_rate
from tests.engine.fleet import NOON, Fleet, Time, excess
from tests.engine.lending import Lending, S
from tests.fakes import FakeClock, limit

RATES = [
    "40/second", "100/second", "300/second", "90/2 seconds", "20/second", "10/second",
    "100/second fixed", "40/second fixed", "20/second burst 60", "100/second burst 100", "200/second burst 40",
]  # fmt: skip

Step = tuple[str, int, int]
"""What happens, to which worker, after how many microseconds."""

_pauses = st.one_of(
    st.just(0), st.integers(1, 3000), st.integers(1, S // 4), st.sampled_from([S // 10, S, S - 1, 2 * S])
)
_steps = st.one_of(
    st.tuples(st.just("request"), st.integers(0, 3), _pauses),
    st.tuples(st.just("burst"), st.integers(0, 3), _pauses),
    st.tuples(st.sampled_from(["sweep", "close"]), st.integers(0, 3), _pauses),
    st.tuples(st.sampled_from(["die", "hold", "release", "fail", "lose", "heal"]), st.integers(0, 3), _pauses),
)  # fmt: skip


def story(*parts: Iterable[Step]) -> list[Step]:
    return [step for part in parts for step in part]


@given(st.sampled_from(RATES), st.sampled_from([1, 1, 2, 3]), st.lists(_steps, max_size=60))
@example(
    "100/second", 1, story([("burst", 0, 900)] * 4, [("die", 0, 0)], [("burst", 1, 900)] * 4, [("burst", 2, S)] * 3)
)
@example("300/second", 1, story([("burst", 0, 90)] * 9, [("burst", 0, S - 900)], [("burst", 1, 90)] * 19))
@settings(max_examples=150)
def test_whatever_happens_no_more_than_a_twentieth_too_much_is_admitted(
    rate: str, cost: int, steps: list[Step]
) -> None:
    """Model-based: bursts, pauses, deaths, lost answers, late answers, clocks that run unequally fast."""
    of = parse_rate(rate)

    async def live() -> list[tuple[int, int]]:
        time = Time()
        shares = Lending(lambda: time.at)
        fleet = Fleet(LimitSet((limit("x", rate, cost=cost),)), 4, lambda: shares, time)
        for what, number, pause in steps:
            time.at += pause
            await _happen(fleet, shares, what, number)
        shares.release()
        await fleet.close()
        return fleet.admitted

    allowed = 0 if of.kind == "fixed" else of.capacity // LENT_PART
    assert excess(of, asyncio.run(live())) <= allowed


async def _happen(fleet: Fleet, shares: Lending, what: str, number: int) -> None:
    match what:
        case "request":
            await fleet.request(number)
        case "burst":
            for _ in range(25):
                await fleet.request(number)
                fleet.time.at += 150
        case "sweep" if not shares.is_held:
            await fleet.sweep()
        case "close" if not shares.is_held:
            await fleet.workers[number].close()
            fleet.die(number)
        case "die":
            fleet.die(number)
        case _:
            _befall(shares, what)


def _befall(shares: Lending, what: str) -> None:
    match what:
        case "hold":
            shares.hold()
        case "release":
            shares.release()
        case "fail":
            shares.failure = "timeout"
        case "lose":
            shares.is_lossy = True
        case "heal":
            shares.failure, shares.is_lossy = None, False


@pytest.mark.parametrize(
    ("rate", "workers", "least", "most"),
    [
        ("1000/10 seconds", 24, 20, 50), ("2000/second", 24, 40, 100), ("1000/second fixed", 24, 0, 0),
        ("300/second burst 1000", 8, 1, 50),
    ],
)  # fmt: skip
async def test_who_saves_shares_for_the_worst_moment_gains_what_was_lent_and_no_more(
    rate: str, workers: int, least: int, most: int
) -> None:
    """Workers take shares a little before a period begins, spend them late in it, and take all else there is."""
    time, of = Time(), parse_rate(rate)
    shares = Lending(lambda: time.at)
    fleet = Fleet(LimitSet((limit("x", rate),)), workers, lambda: shares, time)
    period, began = of.period_seconds * S, time.at
    for moment in (period - period // 20, period + period // 25, 2 * period - period // 50, 2 * period + period // 50):
        time.at = began + moment
        for number in range(workers):
            for _ in range(8):
                await fleet.request(number)
                time.at += 20
    for moment in range(2 * period + period // 20, 3 * period + period // 10, period // 40):
        time.at = began + moment
        for number in range(workers):
            while await fleet.request(number) is not False and fleet.asked < 50_000:
                await fleet.settled()
    await fleet.close()
    assert least <= max(0, excess(of, fleet.admitted)) <= most


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("load", [0.9, 1.0, 2.0])
@pytest.mark.parametrize("rate", ["600/minute", "300/second", "40/second burst 200", "3000/minute fixed"])
async def test_at_a_steady_demand_a_hundredth_is_the_most_that_is_not_admitted(
    rate: str, load: float, workers: int
) -> None:
    time, of = Time(), parse_rate(rate)
    shares = Lending(lambda: time.at)
    limits = LimitSet((limit("x", rate),))
    fleet = Fleet(limits, workers, lambda: shares, time)
    periods = 3.2 if of.kind == "sliding" and of.period_seconds > 1 else 1.1 if of.kind == "fixed" else 8
    per_second = of.count / of.period_seconds * load
    moments = await fleet.steady(per_second, periods * of.period_seconds, Random(f"{rate}{load}{workers}"))
    await fleet.close()
    assert len(fleet.admitted) >= 0.99 * _exactly(limits, moments)
    assert excess(of, fleet.admitted) <= (0 if of.kind == "fixed" else of.capacity // LENT_PART)


def _exactly(limits: LimitSet, moments: list[int]) -> int:
    """How many of these an exact limit would have admitted."""
    clock = FakeClock()
    store, admitted = MemoryLimitStore(clock), 0
    for at in moments:
        clock.wall, clock.steady = at / S, (at - NOON) / S
        admitted += store.take_now(limits, ["a"]).is_admitted
    return admitted


@pytest.mark.parametrize("rate", ["600/minute", "40/second burst 200", "3000/minute fixed"])
async def test_what_a_dead_worker_held_is_a_twentieth_at_most_and_comes_back_with_its_window(rate: str) -> None:
    time, of = Time(), parse_rate(rate)
    shares = Lending(lambda: time.at)
    fleet = Fleet(LimitSet((limit("x", rate),)), 4, lambda: shares, time)
    await fleet.steady(of.count / of.period_seconds * 0.5, 10, Random(1))
    spent = len(fleet.admitted)
    for number in range(4):
        fleet.die(number)
    (window,) = shares.windows.values()
    window.at(time.at)
    held = of.capacity - window.left(time.at)
    if of.kind != "bucket":
        assert spent <= held <= spent + of.capacity // LENT_PART
    time.at += 60 * S
    window.at(time.at)
    assert window.left(time.at) == of.capacity
