"""Leased limits in a real server: what is lent is bounded for any number of nodes, and comes back (L09)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_auth.adapters.redis.limit_store import RedisLimitStore
from gateway_auth.adapters.redis.script import Script
from gateway_auth.adapters.redis.share_store import RedisShareStore
from gateway_auth.adapters.system import SystemClock
from gateway_auth.core.lease import LENT_PART, Closed, Want, terms_of
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.rates import parse_rate
from gateway_auth.engine.leases import LeasedLimits
from gateway_auth.errors import RedisUnavailable
from tests.engine.fleet import NOON, Fleet, Time, excess
from tests.engine.lending import Lending, S
from tests.fakes import limit
from tests.redis.callers import Caller, MovedTime, client_of

pytestmark = pytest.mark.slow


@pytest.fixture
def moved(port: int) -> Iterator[MovedTime]:
    caller = MovedTime(port)
    caller.at = NOON
    yield caller
    caller.client.close()


@pytest.fixture
async def caller(port: int) -> AsyncIterator[Caller]:
    client = client_of(port)
    yield Caller(client)
    await client.aclose()


class TimeOfServer(Time):
    """A time that the server has too."""

    def __init__(self, moved: MovedTime) -> None:
        self._moved = moved
        super().__init__()

    @property
    def at(self) -> int:
        return self._moved.at

    @at.setter
    def at(self, moment: int) -> None:
        self._moved.at = moment


# -- the script counts as the plain model does -----------------------------------------------------------------------

RATES = [
    "10/second", "40/second", "64/second", "65/second", "300/second", "2000/second", "90/2 seconds", "5000/minute",
    "100/second fixed", "40/minute fixed", "1000/month fixed", "20/second burst 60", "7/second burst 200",
    "3000/second burst 40", "1000000000/2 seconds",
]  # fmt: skip
pauses = st.one_of(
    st.just(0), st.integers(1, 5000), st.integers(1, S), st.sampled_from([S // 64, S, S - 1, 60 * S, 32 * 86400 * S])
)
wants = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 3), st.sampled_from([0, 1, 5, 40, 2000]), st.booleans(), st.floats(0, 1)
    ),
    min_size=1, max_size=3, unique_by=lambda drawn: drawn[0],
)  # fmt: skip
_numbers = count(1)


@given(
    st.lists(st.tuples(st.sampled_from(RATES), st.integers(1, 3)), min_size=4, max_size=4),
    st.lists(st.tuples(pauses, wants), min_size=1, max_size=25),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_of_any_questions_at_any_times(
    port: int, rates: list[tuple[str, int]], log: list[tuple[int, list[tuple[int, int, int, bool, float]]]]
) -> None:
    moved = MovedTime(port)
    moved.at = NOON
    of = [limit(f"limit-{number}", rate, cost=cost) for number, (rate, cost) in enumerate(rates)]

    async def compare() -> None:
        model = Lending(lambda: moved.at)
        store = RedisShareStore(moved, b"lent%d:{x}:" % next(_numbers))
        held: dict[int, list[Closed]] = {}
        for pause, drawn in log:
            moved.at += pause
            asked: list[Want] = []
            for which, need, ahead, is_closing, part in drawn:
                closed = held.pop(which, []) if is_closing else []
                back = tuple(Closed(share.stamp, share.lent, int(share.unused * part)) for share in closed)
                one = of[which]
                asked.append(Want(one, terms_of(one), "alice", need * one.cost, ahead, back))
            grant = await store.take(asked)
            assert grant == model.answer(asked)
            for (which, *_), told in zip(drawn, grant.standings, strict=True):
                if told.ahead:
                    held.setdefault(which, []).append(Closed(grant.stamp, told.ahead, told.ahead))

    asyncio.run(compare())
    moved.client.close()


async def test_questions_that_wait_together_are_one_call(caller: Caller, prefix: str) -> None:
    store = RedisShareStore(caller, prefix.encode())
    one = limit("one", "20/minute")
    grants = await asyncio.gather(*(store.take([Want(one, terms_of(one), "a", 1)]) for _ in range(30)))
    assert caller.calls == [1]
    assert [grant.is_admitted for grant in grants] == [True] * 20 + [False] * 10
    assert [grant.standings[0].left for grant in grants] == [*range(19, -1, -1)] + [0] * 10


async def test_what_is_leased_and_what_is_exact_is_counted_in_the_same_windows(caller: Caller, prefix: str) -> None:
    exact = RedisLimitStore(caller, prefix)
    store = RedisShareStore(caller, exact.place)
    of = limit("x", "1000/minute")
    await store.take([Want(of, terms_of(of), "alice", 10, 5)])
    assert (await exact.take(LimitSet((of,)), ["alice"])).status[0] == 984
    assert (await store.take([Want(of, terms_of(of), "alice", 1)])).standings[0].left == 983
    await store.close()


async def test_every_key_ends_by_itself(caller: Caller, port: int, prefix: str) -> None:
    store = RedisShareStore(caller, prefix.encode())
    for rate in RATES:
        of = limit(rate, rate)
        await store.take([Want(of, terms_of(of), "alice", 1, 10)])
    client = client_of(port)
    keys = [key async for key in client.scan_iter(f"{prefix}*", count=1000)]
    lives = [await client.ttl(key) for key in keys]
    assert len(RATES) < len(keys) <= 2 * len(RATES)
    assert min(lives) > 0
    assert max(lives) <= 32 * 86400
    await client.aclose()


async def test_a_clock_set_back_gives_back_nothing_that_is_not_there(moved: MovedTime, prefix: str) -> None:
    store = RedisShareStore(moved, prefix.encode())
    for rate in ("100/minute", "1000/minute", "1000/minute fixed", "10/minute burst 100"):
        of = limit(rate, rate)
        grant = await store.take([Want(of, terms_of(of), "a", 20, 4)])
        moved.at -= 30 * S
        share = grant.standings[0].ahead
        back = (Closed(grant.stamp, share, share),)
        after = await store.take([Want(of, terms_of(of), "a", 0, 0, back)])
        assert after.standings[0].left <= of.rate.capacity - 20
        moved.at += 30 * S


@pytest.mark.parametrize(
    "reply",
    [b"x", [], [1], [1, [1, 2, 3]], [1, [1, 2, 3, 4], [1, 2, 3, 4]], [1, [1, 2, 0, 9]], [1, [-1, 2, 0, 0]], [[1], 1]],
    ids=str,
)
async def test_another_answer_than_was_asked_for_is_an_outage(reply: object) -> None:
    class Liar:
        async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
            return reply

    of = limit("x", "100/minute")
    with pytest.raises(RedisUnavailable) as caught:
        await RedisShareStore(Liar(), b"").take([Want(of, terms_of(of), "alice", 1, 5)])
    assert caught.value.kind == "garbage"


# -- eight nodes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [0.9, 1.0, 2.0])
@pytest.mark.parametrize("rate", ["900/minute", "200/second", "50/second burst 200", "1200/minute fixed"])
async def test_eight_nodes_stay_within_the_declared_bound(
    moved: MovedTime, prefix: str, rate: str, load: float
) -> None:
    time, of = TimeOfServer(moved), parse_rate(rate)
    limits = LimitSet((limit("x", rate),))
    fleet = Fleet(limits, 8, lambda: RedisShareStore(moved, prefix.encode()), time)
    seconds = 2.5 * of.period_seconds if of.period_seconds > 1 else 10
    moments = await fleet.steady(of.count / of.period_seconds * load, seconds, Random(f"{rate}{load}"))
    await fleet.close()
    exact = RedisLimitStore(moved, prefix + "exact")
    admitted = 0
    for moved.at in moments:
        admitted += (await exact.take(limits, ["a"])).is_admitted
    assert excess(of, fleet.admitted) <= (0 if of.kind == "fixed" else of.capacity // LENT_PART)
    assert len(fleet.admitted) >= 0.99 * admitted


async def test_nodes_that_die_leave_no_more_than_what_was_lent(moved: MovedTime, prefix: str) -> None:
    time = TimeOfServer(moved)
    limits = LimitSet((limit("x", "900/minute"),))
    fleet = Fleet(limits, 8, lambda: RedisShareStore(moved, prefix.encode()), time)
    random = Random(3)
    for number in range(8):
        await fleet.steady(30, 5, random)
        fleet.die(number)
    assert excess(limits.limits[0].rate, fleet.admitted) <= 45
    time.at += 60 * S
    store = RedisShareStore(moved, prefix.encode())
    (standing,) = (await store.take([Want(limits.limits[0], terms_of(limits.limits[0]), "a")])).standings
    assert (standing.left, standing.reset) == (900, 0)


async def test_closing_gives_back_and_the_window_holds_what_was_admitted(moved: MovedTime, prefix: str) -> None:
    time = TimeOfServer(moved)
    for rate in ("900/minute", "6000/minute", "900/minute fixed", "1/minute burst 900"):
        limits = LimitSet((limit(rate, rate),))
        fleet = Fleet(limits, 8, lambda: RedisShareStore(moved, prefix.encode()), time)
        await fleet.steady(60, 5, Random(rate))
        await fleet.close()
        of = limits.limits[0]
        (standing,) = (await RedisShareStore(moved, prefix.encode()).take([Want(of, terms_of(of), "a")])).standings
        assert standing.left == of.rate.capacity - len(fleet.admitted)


async def test_thirty_two_callers_at_once_ask_rarely(caller: Caller, prefix: str) -> None:
    exact = RedisLimitStore(caller, prefix)
    leased = LeasedLimits(exact, RedisShareStore(caller, exact.place), SystemClock(), lambda _: True)
    limits = LimitSet((limit("key", "6000000/minute"), limit("address", "9000000/minute", by="address")))

    async def requests(number: int, times: int) -> None:
        for _ in range(times):
            outcome = leased.take_now(limits, ["alice", number]) or await leased.take(limits, ["alice", number])
            assert outcome.is_admitted
            await asyncio.sleep(0)

    await asyncio.gather(*(requests(1, 100) for _ in range(32)))
    before = len(caller.calls)
    await asyncio.gather(*(requests(1, 500) for _ in range(32)))
    assert len(caller.calls) - before <= 32 * 500 * 0.02
    await leased.close()
    of = limits.limits[0]
    (standing,) = (await RedisShareStore(caller, exact.place).take([Want(of, terms_of(of), "alice")])).standings
    assert standing.left == 6_000_000 - 32 * 600
