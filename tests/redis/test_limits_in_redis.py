"""Limits in a real server: exact between processes, all or nothing, nothing left behind, whatever befalls scripts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from gateway_auth.adapters.redis.limit_store import RedisLimitStore
from gateway_auth.core.limits import Limit, LimitSet
from gateway_auth.core.rates import parse_rate
from tests.fakes import limit
from tests.redis.callers import Caller, MovedTime, client_of, cluster_client_of
from tests.redis.server import running_cluster

S = 1_000_000
NOON = 1_700_000_000 * S
pytestmark = pytest.mark.slow

ALL_KINDS = LimitSet(
    limit(name, rate)
    for name, rate in [
        ("few", "5/minute"), ("many", "900/minute"), ("bucket", "5/second burst 7"), ("slow", "1/day burst 9"),
        ("hour", "5/hour fixed"), ("month", "5/month fixed"),
    ]
)  # fmt: skip


@pytest.fixture
async def client(port: int) -> AsyncIterator[Redis]:
    one = client_of(port)
    yield one
    await one.aclose()


@pytest.fixture
def moved(port: int) -> Iterator[MovedTime]:
    caller = MovedTime(port)
    caller.at = NOON
    yield caller
    caller.client.close()


async def keys_under(client: Redis, prefix: str) -> list[bytes]:
    return [key async for key in client.scan_iter(f"{prefix}:*", count=1000)]


def only(rate: str, cost: int = 1) -> LimitSet:
    return LimitSet((Limit(id="x", key="x", rate=parse_rate(rate), by="key", cost=cost),))


# -- exact ---------------------------------------------------------------------------------------------------------


def test_several_processes_admit_exactly_the_limit_while_scripts_are_flushed(port: int, prefix: str) -> None:
    """Issue cases 057 and 064: 200 at once where 50 are allowed, a hundred times over."""
    rounds, command = 100, [sys.executable, "-m", "tests.redis.taker", str(port), prefix, "50/day"]
    takers = [subprocess.Popen([*command, str(rounds), "50", "2"], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    flushes, moved = 0, MovedTime(port)
    for taker in takers:
        while taker.poll() is None:
            moved.client.script_flush()
            flushes += 1
            try:
                taker.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    moved.client.close()
    admitted = [json.loads(taker.communicate()[0]) for taker in takers]
    assert [sum(of_round) for of_round in zip(*admitted, strict=True)] == [50] * rounds
    assert flushes > 3


async def test_a_burst_inside_one_batch_is_counted_one_by_one(client: Redis, prefix: str) -> None:
    caller = Caller(client)
    store = RedisLimitStore(caller, prefix)
    outcomes = await asyncio.gather(*(store.take(only("10/minute"), ["a"]) for _ in range(60)))
    assert caller.calls == [1]
    assert [outcome.status[0] for outcome in outcomes] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0] + [0] * 50
    assert [outcome.is_admitted for outcome in outcomes] == [True] * 10 + [False] * 50


async def test_few_commands_are_sent_for_many_requests_at_once(client: Redis, prefix: str) -> None:
    caller = Caller(client)
    store = RedisLimitStore(caller, prefix)
    limits = LimitSet((limit("a", "9/minute"), limit("b", "900/minute"), limit("c", "9/day fixed")))

    async def requests(who: str) -> None:
        for _ in range(50):
            await store.take(limits, [who] * 3)

    await asyncio.gather(*(requests(str(number)) for number in range(32)))
    assert len(caller.calls) <= 0.1 * 32 * 50


async def test_who_was_cancelled_before_it_was_sent_is_not_charged(client: Redis, prefix: str) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    tasks = [asyncio.ensure_future(store.take(only("10/minute"), ["a"])) for _ in range(6)]
    for task in tasks[:3]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[:3])
    assert (await store.take(only("10/minute"), ["a"])).status[0] == 6


# -- all or nothing, and nothing left behind -----------------------------------------------------------------------


async def test_every_key_ends_by_itself(client: Redis, prefix: str) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    await asyncio.gather(*(store.take(ALL_KINDS, [who] * 6) for who in ("a", "b", 7)))
    keys = await keys_under(client, prefix)
    lives = {await client.ttl(key) for key in keys}
    assert len(keys) == 18
    assert min(lives) > 0
    assert max(lives) <= 32 * 86400


async def test_the_longest_lived_bucket_can_be_written(client: Redis, prefix: str) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    limits = only("1/31622400 seconds burst 1000000000", cost=1_000_000_000)
    assert (await store.take(limits, ["a"])).status == (0, 31_622_400)
    refused = await store.take(limits, ["a"])
    assert refused.retry_after_seconds == pytest.approx(31_622_400 * 10**9)
    assert await client.ttl((await keys_under(client, prefix))[0]) > 99 * 365 * 86400


async def test_a_refused_request_leaves_nothing_in_any_window(client: Redis, prefix: str) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    full = LimitSet((*ALL_KINDS.limits, limit("last", "1/day")))
    assert (await store.take(LimitSet((full.limits[-1],)), ["a"])).is_admitted
    before = {key: await client.get(key) for key in await keys_under(client, prefix)}
    refused = await store.take(full, ["a"] * 7)
    assert refused.violated == ("last",)
    assert refused.status[:12:2] == (5, 900, 7, 9, 5, 5)
    assert {key: await client.get(key) for key in await keys_under(client, prefix)} == before
    await store.take(ALL_KINDS, ["a"] * 6)
    before = {key: await client.get(key) for key in await keys_under(client, prefix)}
    assert not (await store.take(full, ["a"] * 7)).is_admitted
    assert {key: await client.get(key) for key in await keys_under(client, prefix)} == before


async def test_a_busy_window_stays_small(moved: MovedTime, client: Redis, prefix: str) -> None:
    store = RedisLimitStore(moved, prefix)
    for _ in range(300):
        moved.at += S // 100
        await store.take(only("1000000/second"), ["a"])
    (key,) = await keys_under(client, prefix)
    assert await client.strlen(key) <= 16 + 66 * 12


# -- what may happen to a server -----------------------------------------------------------------------------------


async def test_scripts_may_be_forgotten_at_any_time(client: Redis, prefix: str) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    for left in range(9, -1, -1):
        await client.script_flush()
        assert (await store.take(only("10/minute"), ["a"])).status[0] == left


@pytest.mark.parametrize("rate", ["5/minute", "900/minute", "5/second burst 7", "5/hour fixed", "5/month fixed"])
@pytest.mark.parametrize("size", [0, 1, 11, 13, 15, 17, 19, 21, 1001])
async def test_a_value_of_another_form_counts_as_none(client: Redis, prefix: str, rate: str, size: int) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    first = await store.take(only(rate), ["a"])
    (key,) = await keys_under(client, prefix)
    await client.set(key, b"\xff" * size)
    again = await store.take(only(rate), ["a"])
    assert again.status[0] == first.status[0]
    assert again.is_admitted


async def test_a_key_of_another_type_counts_as_none(client: Redis, prefix: str) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    await store.take(only("10/minute"), ["a"])
    (key,) = await keys_under(client, prefix)
    await client.delete(key)
    await client.rpush(key, "x")
    assert (await store.take(only("10/minute"), ["a"])).status == (9, 60)
    assert (await store.take(only("10/minute"), ["a"])).status[0] == 8


async def test_the_time_is_the_servers(client: Redis, prefix: str) -> None:
    store = RedisLimitStore(Caller(client), prefix)
    seconds, _ = await client.time()
    outcome = await store.take(only("10/day fixed"), ["a"])
    assert outcome.status[1] == pytest.approx(86400 - seconds % 86400, abs=5)


@pytest.mark.parametrize("back_seconds", [1, 59, 61, 3600, 40 * 86400])
@pytest.mark.parametrize("rate", ["5/minute", "100/minute", "5/minute burst 5"])
async def test_a_clock_set_back_gives_nothing_twice_and_keeps_nobody_longer_than_a_period(
    moved: MovedTime, prefix: str, rate: str, back_seconds: int
) -> None:
    store, limits = RedisLimitStore(moved, prefix), only(rate, cost=5 if rate[1] == "/" else 50)
    assert (await store.take(limits, ["a"])).is_admitted
    moved.at += 30 * S
    await store.take(limits, ["a"])
    moved.at -= back_seconds * S
    refused = await store.take(limits, ["a"])
    assert not refused.is_admitted
    assert refused.status[1] <= 60
    assert refused.retry_after_seconds <= 60
    moved.at += 60 * S
    assert (await store.take(limits, ["a"])).is_admitted


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ("100/minute", "50/minute", 0), ("100/minute", "61/minute", 0), ("100/minute", "70/minute", 9),
        ("100/minute", "200/minute", 139), ("100/day fixed", "50/day fixed", 0), ("100/day fixed", "70/day fixed", 9),
        ("1/day burst 100", "1/day burst 50", 0), ("1/day burst 100", "1/day burst 70", 9),
        ("1/day burst 100", "2/day burst 70", 9),
    ],
)  # fmt: skip
async def test_a_limit_lowered_or_raised_counts_what_was_used_before(
    moved: MovedTime, prefix: str, before: str, after: str, left: int
) -> None:
    store = RedisLimitStore(moved, prefix)
    assert (await store.take(only(before, cost=60), ["a"])).is_admitted
    outcome = await store.take(only(after), ["a"])
    assert outcome.is_admitted is (after[:2] != "50" and not after.endswith("burst 50"))
    assert outcome.status[0] == left


async def test_in_a_cluster_every_request_is_one_atomic_call() -> None:
    with running_cluster() as port:
        client = cluster_client_of(port)
        for prefix in ("one", "two", "three", "four"):
            store = RedisLimitStore(Caller(client), prefix)
            outcomes = await asyncio.gather(*(store.take(ALL_KINDS, ["a", 1, "b", 2, 0, 0]) for _ in range(20)))
            assert sum(outcome.is_admitted for outcome in outcomes) == 5
        homes = {await client.execute_command("CLUSTER KEYSLOT", f"{{{prefix}:limits}}") for prefix in ("one", "two")}
        assert len(homes) == 2
        await client.aclose()
