"""Every worker knows how many live, and which of them it is; who dies is missed (heartbeat.py)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from redis import Redis

from gateway_auth.adapters.redis import heartbeat
from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.heartbeat import LIFE_SECONDS, Heartbeat
from gateway_auth.adapters.redis.link import Command
from gateway_auth.adapters.redis.script import Script
from gateway_auth.core.shares import Share
from gateway_auth.errors import RedisUnavailable
from tests.fakes import FakeClock
from tests.redis.faulty_proxy import faulty_proxy
from tests.redis.patience import until
from tests.redis.server import running_cluster


class Said:
    """A Redis that replies what it is told to."""

    def __init__(self, reply: object) -> None:
        self.reply = reply
        self.commands: list[Command] = []

    async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    async def run_on(self, key: bytes | None, command: Command, *, seconds: float | None = None) -> object:
        self.commands.append(command)
        return await self.call(Script(b"", ""), [], [])


def worker(redis: Said, clock: FakeClock | None = None, at_least: int = 1) -> Heartbeat:
    return Heartbeat(redis, "gwa", at_least=at_least, monotonic=(clock or FakeClock()).monotonic)


@pytest.fixture
async def redis(port: int) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=5)
    yield connection
    await connection.close()


def beating(redis: RedisConnection, prefix: str) -> Heartbeat:
    return Heartbeat(redis, prefix, monotonic=FakeClock().monotonic)


# -- what an answer means ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_least", "reply", "expected"),
    [
        (1, [1, 0], Share(1, 0)),
        (1, [5, 3], Share(5, 3)),
        (4, [2, 1], Share(4, 1)),
        (0, [1, 0], Share(1, 0)),
        (1, [2, 7], Share(2, 1)),
    ],
    ids=["alone", "of five", "others not heard yet", "of none", "a rank out of range"],
)
async def test_an_answer(at_least: int, reply: list[int], expected: Share) -> None:
    one = worker(Said(reply), at_least=at_least)
    await one.beat()
    assert one.share == expected


async def test_the_same_answer_is_the_same_object() -> None:
    one = worker(Said([5, 3]))
    await one.beat()
    share = one.share
    await one.beat()
    assert one.share is share


@pytest.mark.parametrize(
    "reply", [None, b"OK", [], [1], [0, 0], [-1, 0], [1, -1], [b"1", b"0"], [1, 0, 0], [10**9, 0], [1.5, 0]], ids=str
)
async def test_an_answer_that_is_none_changes_nothing(reply: object) -> None:
    redis = Said([5, 3])
    one = worker(redis)
    await one.beat()
    redis.reply = reply
    with pytest.raises(RedisUnavailable) as caught:
        await one.beat()
    assert caught.value.kind == "garbage"
    assert one.share == Share(5, 3)


def test_before_any_answer_it_is_the_first_of_those_it_was_started_with() -> None:
    assert worker(Said(None), at_least=4).share == Share(4, 0)


async def test_who_is_heard_first_after_an_outage_does_not_take_itself_for_the_only_one() -> None:
    clock = FakeClock()
    redis = Said([5, 3])
    one = worker(redis, clock)
    await one.beat()
    redis.reply = RedisUnavailable("no", "timeout")
    with pytest.raises(RedisUnavailable):
        await one.beat()
    assert one.share == Share(5, 3)
    redis.reply = [1, 0]
    await one.beat()
    assert one.share == Share(5, 3)
    redis.reply = [6, 0]
    await one.beat()
    assert one.share == Share(6, 0)
    redis.reply = [1, 0]
    clock.advance(LIFE_SECONDS)
    await one.beat()
    assert one.share == Share(1, 0)


async def test_a_heart_beats_on_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.001)
    redis = Said(RedisUnavailable("no", "timeout"))
    one = worker(redis)
    one.start()
    await asyncio.sleep(0.02)
    redis.reply = [3, 2]
    await until(lambda: one.share == Share(3, 2))
    redis.reply = b"rubbish"
    await asyncio.sleep(0.02)
    redis.reply = [4, 0]
    await until(lambda: one.share == Share(4, 0))
    await one.close()


@pytest.mark.parametrize("reply", [1, RedisUnavailable("no", "timeout")], ids=["heard", "not heard"])
async def test_who_is_closed_says_goodbye(reply: object) -> None:
    redis = Said([1, 0])
    one = worker(redis)
    one.start()
    await asyncio.sleep(0)
    redis.reply = reply
    await one.close()
    assert [command[0] for command in redis.commands] == ["ZREM"]


async def test_who_never_began_has_nothing_to_say() -> None:
    redis = Said([1, 0])
    await worker(redis).close()
    assert redis.commands == []


# -- over a real server --------------------------------------------------------------------------------------------


async def test_each_has_a_place_of_its_own(redis: RedisConnection, prefix: str) -> None:
    workers = [beating(redis, prefix) for _ in range(7)]
    for _ in range(2):
        for one in workers:
            await one.beat()
    assert {one.share.workers for one in workers} == {7}
    assert sorted(one.share.rank for one in workers) == list(range(7))
    assert [one.share.rank for one in sorted(workers, key=lambda one: one.id)] == list(range(7))


async def test_other_installations_are_not_counted(redis: RedisConnection, prefix: str) -> None:
    one, other = beating(redis, prefix), beating(redis, f"{prefix}x")
    await one.beat()
    await other.beat()
    assert other.share == Share(1, 0)


async def test_who_is_not_heard_is_gone_and_who_leaves_goes_at_once(
    redis: RedisConnection, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = beating(redis, prefix), beating(redis, prefix)
    await other.beat()
    other.start()
    await one.beat()
    assert one.share.workers == 2
    await other.close()
    await one.beat()
    assert one.share.workers == 1
    monkeypatch.setattr(heartbeat, "LIFE_SECONDS", 0.02)
    await other.beat()
    await asyncio.sleep(0.03)
    await one.beat()
    assert one.share.workers == 1


async def test_a_clock_set_back_keeps_nobody_alive(redis: RedisConnection, port: int, prefix: str) -> None:
    one = beating(redis, prefix)
    with Redis(port=port) as admin:
        admin.zadd(one._key, {"dead": 10**14})
    await one.beat()
    assert one.share == Share(1, 0)


async def test_nothing_is_left_behind(redis: RedisConnection, port: int, prefix: str) -> None:
    one = beating(redis, prefix)
    await one.beat()
    with Redis(port=port) as admin:
        assert 0 < int(str(admin.pttl(one._key))) <= LIFE_SECONDS * 1000


async def test_a_server_that_forgot_the_script_is_told_it_again(redis: RedisConnection, prefix: str) -> None:
    one = beating(redis, prefix)
    await one.beat()
    await redis.run(("SCRIPT", "FLUSH"))
    await one.beat()
    assert one.share == Share(1, 0)


async def test_what_was_heard_last_stands_while_redis_hangs(port: int, prefix: str) -> None:
    async with faulty_proxy(port) as proxy:
        redis = RedisConnection(proxy.url)
        one, other = beating(redis, prefix), beating(redis, prefix)
        await other.beat()
        await one.beat()
        share = one.share
        proxy.fault = "hang"
        for _ in range(3):
            with pytest.raises(RedisUnavailable):
                await one.beat()
        assert one.share is share
        assert one.share.workers == 2
        await redis.close()


@pytest.mark.slow
async def test_it_beats_in_a_cluster(prefix: str) -> None:
    with running_cluster() as port:
        redis = RedisConnection(f"redis+cluster://127.0.0.1:{port}", timeout_seconds=5)
        workers = [beating(redis, prefix) for _ in range(3)]
        for _ in range(2):
            for one in workers:
                await one.beat()
        assert sorted(one.share.rank for one in workers) == [0, 1, 2]
        await redis.close()
