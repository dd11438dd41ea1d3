"""The file of a SQLite store: who may read it, when it is made, what is left when it is closed."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.errors import StoreUnavailable
from tests.adapters.conformance import save
from tests.adapters.stores import add_change, app, key, query, sqlite_file, sqlite_url


@pytest.fixture
def wide_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("wide_umask")
async def test_only_the_owner_may_read_the_file_and_its_logs(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await add_change(store, "key1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)}
    await store.close()
    assert modes == {"gateway.db": 0o600, "gateway.db-wal": 0o600, "gateway.db-shm": 0o600}


async def test_nothing_is_touched_before_the_first_use(tmp_path: Path) -> None:
    await SqlStore(sqlite_url(tmp_path)).close()
    assert files(tmp_path) == []


async def test_closing_leaves_one_file_that_holds_everything(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await save(store, app(), key())
    await store.close()
    assert [path.name for path in files(tmp_path)] == ["gateway.db"]
    assert query(sqlite_file(tmp_path), "SELECT id FROM keys") == [("key1",)]


@pytest.mark.parametrize("name", ["we%41", "a?b", "a#b", "größe 1"])
async def test_the_store_lies_in_its_directory_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    store = SqlStore(sqlite_url(directory))
    await save(store, app(), key())
    await store.close()
    assert [path.name for path in files(directory)] == ["gateway.db"]
    assert [path.name for path in files(tmp_path)] == [name]


async def test_a_closed_store_stays_closed(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await store.current_revision()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.current_revision()
    await store.close()


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    sqlite_file(tmp_path).touch(0o600)
    store = SqlStore(sqlite_url(tmp_path))
    assert await store.current_revision() == 0
    await store.close()


async def test_first_users_at_once_open_once_and_one_of_them_may_leave(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    tasks = [asyncio.create_task(store.current_revision()) for _ in range(8)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [0] * 7


async def test_a_store_that_could_not_be_opened_opens_once_the_cause_is_gone(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path / "later"))
    with pytest.raises(StoreUnavailable):
        await store.current_revision()
    (tmp_path / "later").mkdir()
    assert await store.current_revision() == 0
    await store.close()


async def test_a_reader_in_the_way_of_the_write_ahead_log_is_waited_for(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await add_change(store, "key1")
    await store.close()
    # As a backup is: a copy that was made by VACUUM has no write-ahead log.
    query(sqlite_file(tmp_path), "PRAGMA journal_mode=DELETE")
    store = SqlStore(sqlite_url(tmp_path))
    with closing(sqlite3.connect(sqlite_file(tmp_path), isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM head").fetchall()
        opening = asyncio.create_task(store.open())
        await asyncio.sleep(0.1)
        assert not opening.done()
        other.execute("COMMIT")
        await opening
    assert await store.current_revision() == 1
    assert query(sqlite_file(tmp_path), "PRAGMA journal_mode") == [("wal",)]
    await store.close()


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())
