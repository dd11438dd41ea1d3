"""Whatever arrives when: the script in the server and the counters in this process give the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.adapters.redis.limit_store import RedisLimitStore
from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet
from gateway_auth.core.rates import MAX_COUNT, MAX_PERIOD_SECONDS, Rate, parse_rate
from tests.redis.callers import MovedTime

S = 1_000_000
pytestmark = pytest.mark.slow


class ExactClock:
    """ports.Clock of whole microseconds, where a float would round."""

    def __init__(self) -> None:
        self.at = 0

    def now(self) -> float:
        return Fraction(self.at, S)  # type: ignore[return-value] # what is multiplied by a million comes out whole

    def monotonic(self) -> float:
        return self.now()


class Both:
    """The same requests to the script and to the counters in memory."""

    _numbers = count(1)

    def __init__(self, redis: MovedTime) -> None:
        self.redis = redis
        self.clock = ExactClock()
        self.far = RedisLimitStore(redis, f"both{next(self._numbers)}")
        self.near = MemoryLimitStore(self.clock)

    async def at(self, now: int, requests: list[tuple[LimitSet, list[str | int]]]) -> list[LimitOutcome]:
        """What both say to these requests at one moment; an AssertionError where they differ."""
        self.redis.at = self.clock.at = now
        far = await asyncio.gather(*(self.far.take(*request) for request in requests))
        near = [self.near.take_now(*request) for request in requests]
        assert far == near
        return far


@pytest.fixture(scope="module")
def redis(port: int) -> Iterator[MovedTime]:
    caller = MovedTime(port)
    yield caller
    caller.client.close()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def limit(limit_id: str, rate: Rate, cost: int) -> Limit:
    return Limit(id=limit_id, key=f"test:{limit_id}:{rate}", rate=rate, by="key", cost=cost)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


RATES = [
    "0/second", "1/second", "3/second", "64/second", "65/second", "70/second", "200/minute", "3/10 seconds",
    "3/second burst 4", "7/second burst 2", "1/2 seconds burst 3", "1000/minute burst 5", "3/minute burst 1000",
    "3/second fixed", "9/minute fixed", "2/hour fixed", "2/day fixed", "2/month fixed",
]  # fmt: skip
STARTS = [
    at("2023-11-14T22:13:20"), at("2024-02-29T23:59:59"), at("2025-02-28T23:59:58"), at("2025-12-31T23:59:59"),
    at("2100-02-28T23:59:59"), at("2000-02-29T12:00:00"), at("2199-12-31T23:59:59"), at("1971-01-01"),
]  # fmt: skip

limits = st.lists(st.tuples(st.sampled_from(RATES), st.integers(1, 3)), min_size=1, max_size=4).map(
    lambda picked: LimitSet(limit(f"limit-{n}", parse_rate(rate), cost) for n, (rate, cost) in enumerate(picked))
)
steps = st.one_of(
    st.just(0),
    st.integers(1, 50),
    st.integers(1, 3 * S),
    st.sampled_from([S, S - 1, S + 1, S // 64, S // 64 - 1, 10 * S, 60 * S, 3600 * S, 86400 * S, 31 * 86400 * S]),
)
partitions: st.SearchStrategy[str | int] = st.sampled_from(["a", "b", "1", 1, -1])
bursts = st.one_of(st.integers(1, 3), st.integers(1, 20))
arrivals = st.lists(st.tuples(steps, bursts, partitions), min_size=1, max_size=60)
quickly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@given(limits, st.sampled_from(STARTS), arrivals)
@example(
    LimitSet((limit("exact", parse_rate("64/second"), 1), limit("grains", parse_rate("65/second"), 1))),
    STARTS[0],
    [(0, 1, "a"), (1000, 1, "a"), (S - 1000, 1, "a")],
)
@settings(quickly, max_examples=300)
def test_of_any_limits_at_any_times(
    redis: MovedTime, loop: asyncio.Runner, of: LimitSet, start: int, log: list[tuple[int, int, str | int]]
) -> None:
    async def compare() -> None:
        both, now = Both(redis), start
        for step, together, partition in log:
            now += step
            request = (of, [partition] * len(of.limits))
            await both.at(now, [request] * together)

    loop.run(compare())


@given(st.lists(limits, min_size=2, max_size=3), st.sampled_from(STARTS), st.data())
@settings(quickly, max_examples=100)
def test_of_requests_that_share_some_of_their_windows(
    redis: MovedTime, loop: asyncio.Runner, sets: list[LimitSet], start: int, data: st.DataObject
) -> None:
    one = st.sampled_from(sets).flatmap(
        lambda of: st.lists(partitions, min_size=len(of.limits), max_size=len(of.limits)).map(lambda by: (of, by))
    )
    log = data.draw(st.lists(st.tuples(steps, st.lists(one, min_size=1, max_size=12)), min_size=1, max_size=20))

    async def compare() -> None:
        both, now = Both(redis), start
        for step, requests in log:
            now += step
            await both.at(now, requests)

    loop.run(compare())


@given(
    st.integers(1, MAX_COUNT),
    st.integers(1, MAX_PERIOD_SECONDS),
    st.integers(1, MAX_COUNT),
    st.lists(st.tuples(st.integers(0, 4 * 10**15), st.floats(0, 1)), min_size=1, max_size=12),
)
@example(MAX_COUNT, MAX_PERIOD_SECONDS, MAX_COUNT, [(0, 1.0), (86400 * S + 1, 0.01), (1, 0.2), (0, 1e-8)])
@example(999_999_937, MAX_PERIOD_SECONDS - 1, MAX_COUNT, [(0, 1.0), (77_777_777_777, 0.01), (3, 0.2), (0, 1e-8)])
@example(1, 1, MAX_COUNT, [(0, 1.0), (3 * 10**15, 1.0), (10**15, 0.5)])
@settings(quickly, max_examples=300)
def test_of_buckets_as_large_as_the_grammar_allows(
    redis: MovedTime, loop: asyncio.Runner, rate: int, period: int, burst: int, log: list[tuple[int, float]]
) -> None:
    """Products pass 2^53 here, where a double is no longer exact. (What takes longer than 280,000 years may round.)"""
    if burst * period // rate > 1 << 43:
        burst = max(1, (1 << 43) * rate // period)

    async def compare() -> None:
        both, now = Both(redis), STARTS[0]
        for step, share in log:
            now = min(now + step, 1 << 52)
            of = LimitSet((limit("huge", Rate(rate, period, "bucket", burst), max(1, int(burst * share))),))
            await both.at(now, [(of, ["a"])] * 2)

    loop.run(compare())


@pytest.mark.parametrize("period", [60, 3600, 86400, MAX_PERIOD_SECONDS])
@pytest.mark.parametrize("rate", [999_999_937, 500_000_003, 7])
async def test_of_a_bucket_that_is_one_part_short(redis: MovedTime, rate: int, period: int) -> None:
    """After some microseconds all but the smallest part has come back: a rounded product would say that all has."""
    both, parts = Both(redis), period * S
    elapsed = -pow(rate, -1, parts) % parts
    back = (elapsed * rate + 1) // parts
    assert elapsed * rate == back * parts - 1
    all_of_it, part_of_it = (
        LimitSet((limit("huge", Rate(rate, period, "bucket", MAX_COUNT), cost),)) for cost in (MAX_COUNT, back)
    )
    await both.at(STARTS[0], [(all_of_it, ["a"])])
    assert not (await both.at(STARTS[0] + elapsed, [(part_of_it, ["a"])]))[0].is_admitted
    assert (await both.at(STARTS[0] + elapsed + 1, [(part_of_it, ["a"])]))[0].is_admitted


@given(
    st.sampled_from(["second", "minute", "day", "month"]),
    st.sampled_from(STARTS[:-1]),
    st.lists(st.floats(-3, 2), min_size=1, max_size=40),
)
@settings(quickly, max_examples=100)
def test_of_fixed_windows_when_the_clock_is_set(
    redis: MovedTime, loop: asyncio.Runner, unit: str, start: int, moves: list[float]
) -> None:
    of = LimitSet((limit("quota", parse_rate(f"2/{unit} fixed"), 1),))
    period = {"second": 1, "minute": 60, "day": 86400, "month": 28 * 86400}[unit] * S

    async def compare() -> None:
        both, now = Both(redis), start
        for move in moves:
            now = max(now + int(move * period), 0)
            await both.at(now, [(of, ["a"])] * 2)

    loop.run(compare())


async def test_of_every_day_of_a_calendar_that_has_a_century_and_a_leap_century(redis: MovedTime) -> None:
    of = LimitSet((limit("quota", parse_rate("9/month fixed"), 1),))
    far = RedisLimitStore(redis, "calendar")
    both = Both(redis)
    for first in (at("1999-12-01"), at("2099-12-15"), at("2023-06-01"), at("1970-01-01")):
        for day in range(500):
            await both.at(first + day * 86400 * S + day, [(of, [day])])
    await far.close()


async def test_of_a_window_that_a_request_asks_for_twice(redis: MovedTime) -> None:
    one = limit("global", parse_rate("5/minute"), 2)
    both = Both(redis)
    taken = await both.at(STARTS[0], [(LimitSet((one, one)), [0, 0])] * 3)
    assert [outcome.status for outcome in taken] == [(3, 60, 1, 60), (1, 60, 1, 60), (1, 60, 1, 60)]
    assert [outcome.is_admitted for outcome in taken] == [True, False, False]
