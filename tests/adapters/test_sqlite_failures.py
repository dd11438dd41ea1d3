"""What is said, and what is left undone, when a SQLite store cannot be used."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.errors import ConfigError, StoreError, StoreSchemaError, StoreUnavailable
from tests.adapters.conformance import save
from tests.adapters.stores import add_change, app, key, query, sqlite_file, sqlite_url

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534

# It opens a store of its own first: what that imports is out of its reach afterwards.
WRITE_AS_NOBODY = f"""
import asyncio, os, sys
from pathlib import Path
from tests.adapters.stores import SqlStore, add_change

async def main():
    url, own = sys.argv[1:]
    Path(own.removeprefix("sqlite:///")).parent.mkdir()
    mine = SqlStore(own)
    await add_change(mine, "key1")
    await mine.close()
    os.setgid({NOBODY})
    os.setuid({NOBODY})
    try:
        await add_change(SqlStore(url), "key1")
    except Exception as error:
        print(error)

asyncio.run(main())
"""


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    message = await refusal(sqlite_url(tmp_path / "missing"))
    assert message.endswith(f"there is no directory {tmp_path / 'missing'}; create it or change store.url")


async def test_a_directory_in_place_of_the_file_is_said_so(tmp_path: Path) -> None:
    assert "is not a file" in await refusal(f"sqlite:///{tmp_path}")


async def test_a_link_to_nothing_is_not_followed(tmp_path: Path) -> None:
    sqlite_file(tmp_path).symlink_to(tmp_path / "elsewhere.db")
    assert "is a link to nothing" in await refusal(sqlite_url(tmp_path))
    assert not (tmp_path / "elsewhere.db").exists()


async def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    sqlite_file(tmp_path).write_bytes(b"not a database\n" * 100)
    assert "is not a SQLite database; point store.url at another file" in await refusal(sqlite_url(tmp_path))
    assert sqlite_file(tmp_path).read_bytes() == b"not a database\n" * 100


async def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    query(sqlite_file(tmp_path), "CREATE TABLE bookmarks (url TEXT)")
    before = sqlite_file(tmp_path).read_bytes()
    assert "database of something else" in await refusal(sqlite_url(tmp_path), StoreSchemaError)
    assert sqlite_file(tmp_path).read_bytes() == before


async def test_a_damaged_file_is_said_so(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await save(store, app(), key())
    await store.close()
    content = bytearray(sqlite_file(tmp_path).read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    sqlite_file(tmp_path).write_bytes(content)
    assert "is damaged; restore it from a backup" in await refusal(sqlite_url(tmp_path))


async def test_a_locked_store_is_said_so_while_reading_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.adapters.sql.sqlite.LOCK_TIMEOUT_SECONDS", 0.1)
    store = SqlStore(sqlite_url(tmp_path))
    await add_change(store, "key1")
    with closing(sqlite3.connect(sqlite_file(tmp_path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="is locked by another process"):
            await add_change(store, "key1")
        assert await store.current_revision() == 1
    assert await add_change(store, "key1") == 2
    await store.close()


async def test_a_writer_in_the_same_process_that_takes_too_long_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_auth.adapters.sql.sqlite.LOCK_TIMEOUT_SECONDS", 0.1)
    store = SqlStore(sqlite_url(tmp_path))
    async with store.transaction():
        with pytest.raises(StoreUnavailable, match="is busy"):
            await add_change(store, "key1")
    assert await add_change(store, "key1") == 1
    await store.close()


async def test_a_writer_cancelled_while_it_waits_for_the_lock_leaves_the_store_usable(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await add_change(store, "key1")
    with closing(sqlite3.connect(sqlite_file(tmp_path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(add_change(store, "key1"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
        await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert await add_change(store, "key1") == 2
    await store.close()


async def test_a_full_disk_is_said_so_and_nothing_is_half_done(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await save(store, app(), key())
    # The writer's connection may not add a page, which is what it is told by a full disk.
    async with store._driver.engine.connect() as connection:
        await connection.exec_driver_sql("ROLLBACK")
        await connection.exec_driver_sql("PRAGMA max_page_count=1")
    with pytest.raises(StoreUnavailable, match="disk is full; free some space"):
        await many_keys(store)
    assert await store.current_revision() == 1
    assert query(sqlite_file(tmp_path), "SELECT count(*) FROM keys") == [(1,)]
    await store.close()


@pytest.mark.parametrize("table", ["audit", "changes", "head"])
async def test_a_change_that_cannot_be_logged_is_not_made(tmp_path: Path, table: str) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await save(store, app(), key())
    operation = "UPDATE" if table == "head" else "INSERT"
    query(
        sqlite_file(tmp_path),
        f"CREATE TRIGGER refuse BEFORE {operation} ON {table} BEGIN SELECT RAISE(ABORT, 'read-only'); END",
    )
    with pytest.raises(StoreUnavailable):
        await save(store, app(), key("key2"))
    query(sqlite_file(tmp_path), "DROP TRIGGER refuse")
    assert (await store.read_key("key2")).key is None
    assert await store.current_revision() == 1
    assert await add_change(store, "key1") == 2
    await store.close()


@pytest.mark.parametrize(
    "change",
    [
        "scopes = 'not json'",
        "scopes = '[1]'",
        "status = 'sleeping'",
        "digest = 'text'",
        "expires_at = 'never'",
    ],
)
async def test_a_row_that_is_no_key_is_an_outage_not_a_key(tmp_path: Path, change: str) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    await save(store, app(), key())
    query(sqlite_file(tmp_path), f"UPDATE keys SET {change}")
    with pytest.raises(StoreUnavailable, match="a record this program cannot read"):
        await store.read_key("key1")
    await store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(("mode", "owner"), [(0o600, 0), (0o400, NOBODY)], ids=["not readable", "not writable"])
def test_missing_permission_is_said_so(mode: int, owner: int) -> None:
    with TemporaryDirectory() as name:  # everybody may pass through its parents
        directory = Path(name)
        asyncio.run(create(directory))
        directory.chmod(0o755)
        sqlite_file(directory).chmod(mode)
        os.chown(sqlite_file(directory), owner, owner)
        done = subprocess.run(
            [sys.executable, "-c", WRITE_AS_NOBODY, sqlite_url(directory), sqlite_url(directory / "own")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "check that this user may" in done.stdout


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is not a store URL"),
        ("mysql://root:hunter2@host/db", 'unknown scheme "mysql"'),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("postgresql://u:hunter2@host:port/db", "is not a store URL"),
    ],
)
def test_a_url_that_means_no_store_is_refused_without_showing_it(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        SqlStore(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.problems[0].path == "store.url"


async def create(directory: Path) -> None:
    store = SqlStore(sqlite_url(directory))
    await store.open()
    await store.close()


async def many_keys(store: SqlStore) -> None:
    async with store.transaction() as transaction:
        for number in range(100):
            await transaction.keys.save(key(f"more{number}"))


async def refusal(url: str, kind: type[StoreError] = StoreUnavailable) -> str:
    """What is said when this store is opened: one line."""
    store = SqlStore(url)
    with pytest.raises(kind) as caught:
        await store.open()
    await store.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)
