"""That something changed is heard by every worker at once, and nothing worse than a look comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import Redis

from gateway_auth.adapters.redis import nudges
from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.nudges import NudgeListener, channel_of, publish
from tests.redis.faulty_proxy import FaultyProxy, faulty_proxy
from tests.redis.patience import until
from tests.redis.server import running_cluster, running_server


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as running:
        yield running


@pytest.fixture
async def redis(port: int) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=5)
    yield connection
    await connection.close()


class Worker:
    """Counts how often it was told to look."""

    def __init__(self, url: str, prefix: str) -> None:
        self.looks = 0
        self.redis = RedisConnection(url, timeout_seconds=5)
        self.listener = NudgeListener(self.redis, prefix, self.look)

    def look(self) -> None:
        self.looks += 1

    async def __aenter__(self) -> Worker:
        self.listener.start()
        await until(lambda: self.listener.is_connected)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.listener.close()
        await self.redis.close()

    async def looked_again(self, before: int) -> None:
        await until(lambda: self.looks > before)


async def test_it_looks_when_it_begins_to_listen(proxy: FaultyProxy, prefix: str) -> None:
    async with Worker(proxy.url, prefix) as worker:
        assert worker.looks == 1


async def test_a_change_is_heard_by_every_worker(proxy: FaultyProxy, redis: RedisConnection, prefix: str) -> None:
    async with Worker(proxy.url, prefix) as one, Worker(proxy.url, prefix) as two:
        assert await publish(redis, prefix)
        await one.looked_again(1)
        await two.looked_again(1)


async def test_other_installations_are_not_heard(proxy: FaultyProxy, redis: RedisConnection, prefix: str) -> None:
    async with Worker(proxy.url, prefix) as worker:
        assert await publish(redis, f"{prefix}x")
        assert await publish(redis, prefix)
        await worker.looked_again(1)
        await asyncio.sleep(2 * nudges.GAP_SECONDS)
        assert worker.looks == 2


async def test_a_flood_is_few_looks_and_the_last_is_after_it(
    proxy: FaultyProxy, redis: RedisConnection, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudges, "GAP_SECONDS", 0.2)
    async with Worker(proxy.url, prefix) as worker:
        for _ in range(300):
            await redis.run(("PUBLISH", channel_of(prefix), b"x" * 1000))
        before = worker.looks
        assert before <= 10
        await worker.looked_again(before)
        await asyncio.sleep(0.5)
        assert worker.looks <= before + 3


async def test_it_comes_back_and_looks(proxy: FaultyProxy, redis: RedisConnection, prefix: str) -> None:
    async with Worker(proxy.url, prefix) as worker:
        await proxy.refuse()
        await until(lambda: not worker.listener.is_connected)
        before = worker.looks
        await publish(redis, prefix)  # heard by nobody
        await proxy.accept()
        await worker.looked_again(before)
        before = worker.looks
        await publish(redis, prefix)
        await worker.looked_again(before)


async def test_a_connection_that_went_dead_is_noticed(
    proxy: FaultyProxy, redis: RedisConnection, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudges, "IDLE_SECONDS", 0.05)
    async with Worker(proxy.url, prefix) as worker:
        # Silence alone is none: it is asked, and answers.
        await asyncio.sleep(0.3)
        assert worker.listener.is_connected
        assert proxy.connects == 1
        proxy.fault = "hang"
        await until(lambda: not worker.listener.is_connected)
        proxy.fault = "none"
        await until(lambda: worker.listener.is_connected)


async def test_a_look_that_fails_ends_nothing(proxy: FaultyProxy, redis: RedisConnection, prefix: str) -> None:
    class Broken(Worker):
        def look(self) -> None:
            super().look()
            raise ZeroDivisionError

    async with Broken(proxy.url, prefix) as worker:
        await publish(redis, prefix)
        await worker.looked_again(1)


async def test_closing_ends_a_look_that_waits(
    proxy: FaultyProxy, redis: RedisConnection, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudges, "GAP_SECONDS", 60)
    async with Worker(proxy.url, prefix) as worker:
        await publish(redis, prefix)
        await until(lambda: worker.listener._next is not None)
    assert worker.looks == 1


async def test_a_listener_never_started_can_be_closed(redis: RedisConnection, prefix: str) -> None:
    await NudgeListener(redis, prefix, lambda: None).close()


async def test_a_change_is_made_also_where_nobody_can_be_told(
    proxy: FaultyProxy, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    await proxy.refuse()
    redis = RedisConnection(proxy.url)
    assert not await publish(redis, prefix)
    assert "notice it within a second" in caplog.text
    await redis.close()


async def test_a_user_who_may_not_listen_is_told_once(prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with running_server() as port:
        with Redis(port=port) as admin:
            admin.execute_command("ACL", "SETUSER", "gateway", "on", ">p", "~*", "+@all", "resetchannels")
        redis: Any = RedisConnection(f"redis://gateway:p@127.0.0.1:{port}")
        listener = NudgeListener(redis, prefix, lambda: None)
        listener.start()
        await until(lambda: "does not permit" in caplog.text)
        await listener.close()
        await redis.close()
    assert caplog.text.count("not told of changes") == 1


@pytest.mark.slow
async def test_it_is_heard_across_the_nodes_of_a_cluster(prefix: str) -> None:
    with running_cluster() as port:
        url = f"redis+cluster://127.0.0.1:{port}"
        redis = RedisConnection(url, timeout_seconds=5)
        async with Worker(url, prefix) as one, Worker(url, prefix) as two:
            assert one.looks == two.looks == 1

            async def is_heard_by_both() -> bool:
                # Whichever node it is told: the nodes tell each other, as soon as they know each other.
                assert await publish(redis, prefix)
                await asyncio.sleep(2 * nudges.GAP_SECONDS)
                return one.looks > 5 and two.looks > 5

            await until(is_heard_by_both)
        await redis.close()
