"""A reply reaches the request it answers and no other, however requests end (security cases S13 and S14)."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.errors import RedisUnavailable
from tests.redis.faulty_proxy import FaultyProxy, faulty_proxy
from tests.redis.patience import until, until_answered


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as running:
        yield running


@pytest.fixture
async def redis(proxy: FaultyProxy) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(proxy.url, timeout_seconds=5)
    yield connection
    await connection.close()


async def ask_who(redis: RedisConnection, who: str) -> bool:
    """Whether the answer was this caller's own. Raises RedisUnavailable."""
    return await redis.run(("ECHO", who)) == who.encode()


@pytest.mark.parametrize("ticks", range(6))
async def test_a_cancelled_command_ends_its_connection(proxy: FaultyProxy, redis: RedisConnection, ticks: int) -> None:
    await redis.run(("PING",))
    proxy.delay_seconds = 0.05
    call = asyncio.create_task(ask_who(redis, "cancelled"))
    for _ in range(ticks):
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    proxy.delay_seconds = 0
    assert await ask_who(redis, "next")


async def test_a_late_reply_finds_nobody(proxy: FaultyProxy, port: int) -> None:
    redis = RedisConnection(proxy.url, timeout_seconds=0.3)
    await until_answered(redis)
    proxy.delay_seconds = 0.5
    with pytest.raises(RedisUnavailable):
        await ask_who(redis, "late")
    proxy.delay_seconds = 0
    await until_answered(redis)
    patiently = (redis.run(("ECHO", f"after {number}"), seconds=5) for number in range(50))
    assert await asyncio.gather(*patiently) == [f"after {number}".encode() for number in range(50)]
    await redis.close()


@pytest.mark.slow
async def test_in_a_storm_of_disconnects_everybody_gets_his_own(proxy: FaultyProxy, redis: RedisConnection) -> None:
    chance = random.Random(7)
    answered = cancelled = 0

    async def caller(number: int) -> None:
        nonlocal answered, cancelled
        proxy.delay_seconds = chance.random() * 0.004
        call = asyncio.create_task(ask_who(redis, f"request {number}"))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.006)
            call.cancel()
        try:
            assert await call
            answered += 1
        except asyncio.CancelledError:
            cancelled += 1
        except RedisUnavailable:
            pass

    for start in range(0, 2000, 50):
        await asyncio.gather(*(caller(number) for number in range(start, start + 50)))
    assert answered > 500
    assert cancelled > 200


async def test_bytes_nobody_asked_for_end_a_connection(proxy: FaultyProxy, redis: RedisConnection) -> None:
    await redis.run(("PING",))
    proxy.fault, proxy.words = "answer", b"+one\r\n+two too many\r\n"
    assert await redis.run(("PING",)) == b"one"
    proxy.fault = "none"
    assert await ask_who(redis, "next")


async def test_a_caller_cancelled_while_it_waits_takes_no_connection_along(proxy: FaultyProxy, port: int) -> None:
    redis = RedisConnection(proxy.url, timeout_seconds=5)
    proxy.delay_seconds = 0.005
    calls = [asyncio.create_task(ask_who(redis, str(number))) for number in range(200)]
    for step, call in enumerate(calls):
        if step % 3 == 0:
            await asyncio.sleep(0.0003)
            call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {bool, asyncio.CancelledError}
    assert False not in results
    assert await ask_who(redis, "next")
    await redis.close()
    await until(lambda: not proxy.open_connections)


async def test_workers_made_before_a_fork_share_no_connection(port: int) -> None:
    redis = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=5)
    ids = [_client_id_in_a_fork(redis) for _ in range(2)]
    assert len({*ids, await redis.run(("CLIENT", "ID"))}) == 3
    await redis.close()


def _client_id_in_a_fork(redis: RedisConnection) -> int:
    """What the server calls the connection of a forked worker."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            asyncio._set_running_loop(None)  # the fork is in the middle of the test's loop; a worker's is not
            os.write(writing, str(asyncio.run(redis.run(("CLIENT", "ID"), seconds=5))).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return int(pipe.read())
