"""Workers are told of a change at once, by the database itself; when they are not, they still look."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.nudges import NudgeListener
from gateway_auth.adapters.system import SystemClock
from gateway_auth.bootstrap.gateway import open_gateway
from gateway_auth.engine.changes import ChangeFollower
from tests.adapters.stores import add_change, sql_store
from tests.postgresql.patience import until
from tests.postgresql.server import Server

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway-auth'"


@pytest.fixture
async def store(postgresql: Server, database: str) -> AsyncIterator[SqlStore]:
    async with sql_store(postgresql.url(database)) as store:
        await store.open()
        yield store


@pytest.fixture
async def writer(postgresql: Server, database: str) -> AsyncIterator[SqlStore]:
    """Another process' store, as far as the first one can tell."""
    async with sql_store(postgresql.url(database)) as store:
        yield store


async def test_a_change_is_heard_and_a_change_that_was_taken_back_is_not(store: SqlStore, writer: SqlStore) -> None:
    heard: list[int] = []
    store.listen(lambda: heard.append(1))
    await until(lambda: len(heard) == 1)  # after connecting: something may have been said before
    with pytest.raises(ZeroDivisionError):
        await change_and_fail(writer)
    await asyncio.sleep(0.3)
    assert len(heard) == 1
    await add_change(writer, "key1")
    await until(lambda: len(heard) == 2)


async def test_a_flood_of_words_becomes_few_looks(store: SqlStore, writer: SqlStore) -> None:
    heard: list[float] = []
    store.listen(lambda: heard.append(asyncio.get_running_loop().time()))
    await until(lambda: len(heard) == 1)
    for _ in range(50):
        await add_change(writer, "key1")
    await until(lambda: len(heard) > 1)
    assert all(later - earlier >= 0.045 for earlier, later in pairwise(heard))


async def test_a_listener_that_fails_once_hears_on(store: SqlStore, writer: SqlStore) -> None:
    calls: list[int] = []

    def stumble() -> None:
        calls.append(1)
        raise RuntimeError("bug")

    store.listen(stumble)
    await until(lambda: len(calls) == 1)
    await add_change(writer, "key1")
    await until(lambda: len(calls) == 2)


async def test_a_follower_that_is_told_reads_long_before_its_poll(
    store: SqlStore, writer: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_auth.engine.changes.POLL_SECONDS", 600.0)  # it would be noticed
    follower = ChangeFollower(store, SystemClock(), lambda _: None, 60)
    await follower.start()
    store.listen(follower.nudge)
    await add_change(writer, "key1")
    await until(lambda: follower.revision == 1)
    await follower.stop()


async def test_a_gateway_over_postgresql_is_told(url: str, writer: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.engine.changes.POLL_SECONDS", 600.0)
    monkeypatch.setenv("PEPPER", "Jr4ZbLq7Wd0xVnT9KfEy2uHs6mCa8PoG1iXv5NtB")
    monkeypatch.setenv("STORE", url)
    await add_change(writer, "key1")
    gateway = await open_gateway({"secrets": {"pepper": "env:PEPPER"}, "store": {"url": "env:STORE"}})
    try:
        assert gateway.changes.revision == 1
        await add_change(writer, "key1")
        await until(lambda: gateway.changes.revision == 2)
    finally:
        await gateway.close()


async def test_a_cut_connection_is_made_again_and_says_so(
    store: SqlStore, writer: SqlStore, postgresql: Server, database: str
) -> None:
    heard: list[int] = []
    store.listen(lambda: heard.append(1))
    await until(lambda: len(heard) == 1)
    postgresql.sql(CUT, database)
    await until(lambda: len(heard) == 2)
    await add_change(writer, "key1")
    await until(lambda: len(heard) == 3)


async def test_without_a_listener_the_poll_goes_on(store: SqlStore, writer: SqlStore) -> None:
    follower = ChangeFollower(store, SystemClock(), lambda _: None, 60)
    await follower.start()
    await add_change(writer, "key1")
    await until(lambda: follower.revision == 1)
    await follower.stop()


async def test_closing_ends_the_listening_connected_or_not(postgresql: Server, database: str) -> None:
    for url in (postgresql.url(database), "postgresql://nobody:nothing@127.0.0.1:1/none"):
        store = SqlStore(url)
        store.listen(lambda: None)
        listener = store._listener
        assert isinstance(listener, NudgeListener)
        await asyncio.sleep(0.1)
        await store.close()
        assert listener._task is not None
        assert listener._task.done()


async def change_and_fail(store: SqlStore) -> None:
    async with store.transaction() as transaction:
        await transaction.keys.delete("key1")
        raise ZeroDivisionError
