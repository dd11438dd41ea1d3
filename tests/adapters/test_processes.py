"""Several processes on one store, and processes that die in the middle of something."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.backup import Backup
from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA
from gateway_auth.core.audit import EVERYTHING
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from tests.adapters.released import make_released
from tests.adapters.stores import add_change, event, key, place_for, sql_store, sqlite_url, url_of
from tests.postgresql.server import Server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 8
CHANGES = int(os.environ.get("GATEWAY_AUTH_WRITES", "20"))
"""Of each writer. More show more, and take longer."""
KILLED = int(os.environ.get("GATEWAY_AUTH_KILLS", "3"))
UPGRADED = 4000
PATIENCE_SECONDS = 300
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_processes_that_create_and_write_at_once_all_succeed_and_revisions_have_no_gap(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = url_of(database, place_for(request, tmp_path))
    count = WRITERS * CHANGES
    command = [sys.executable, "-m", "tests.adapters.append", url, str(WRITERS), str(CHANGES)]
    writing = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=ENVIRONMENT)
    followed = await follow(url, count)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await writing.wait() == 0
    given = [[int(word) for word in (tmp_path / str(number)).read_text().split()] for number in range(WRITERS)]
    # Each writer's revisions rise, and together they are every number once.
    assert all(revisions == sorted(revisions) for revisions in given)
    assert sorted(number for revisions in given for number in revisions) == list(range(1, count + 1))
    order = [
        (number, f"writer{index}")
        for number, index in sorted((number, index) for index, mine in enumerate(given) for number in mine)
    ]
    assert followed == order
    async with sql_store(url) as store:
        verdict = await verify_audit(store)
        assert isinstance(verdict, Verified)
        assert verdict.count == count, "one record for each change, in one chain"
        async with store.reading() as snapshot:
            records = [sealed.record for sealed in await snapshot.audit.page(EVERYTHING, limit=count + 1)]
    assert [(record.seq, record.object_id) for record in records] == order


async def test_an_upgrade_that_is_killed_leaves_the_old_store_or_the_new_one(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    await make_released(sqlite_url(first), "0002", records=UPGRADED)
    copies = [tmp_path / str(number) for number in range(KILLED)]
    urls = [sqlite_url(shutil.copytree(first, copy)) for copy in copies]
    server: Server = request.getfixturevalue("postgresql")
    template = server.new_database()
    await make_released(server.url(template), "0002", records=UPGRADED)
    urls += [server.url(server.new_database(template)) for _ in range(KILLED)]
    killed = kill("upgrade", urls, tmp_path)
    assert killed > 0
    for url in urls:
        async with sql_store(url) as store:
            assert await store.upgrade() in ("0002", CURRENT_SCHEMA.version)
            assert (await store.read_key("key1")).key == key()
            verdict = await verify_audit(store)
            assert isinstance(verdict, Verified)
            assert verdict.count == UPGRADED


async def test_a_backup_that_is_killed_leaves_the_store_and_no_half_of_a_file(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = place_for(request, tmp_path)
    for number, database in enumerate(("sqlite", "postgresql")):
        url, folder = url_of(database, place), tmp_path / f"backups{number}"
        folder.mkdir()
        async with sql_store(url) as store:
            await fill(store, 3000)
        assert kill("backup", [url] * KILLED, folder) > 0
        whole = [path for path in folder.iterdir() if not path.name.endswith(".partial")]
        assert [Backup(path).header.audit_seq for path in whole] == [3000] * len(whole)
        async with sql_store(url) as store:
            assert isinstance(await verify_audit(store), Verified)
            assert await add_change(store, "key1") == 3001


async def fill(store: SqlStore, count: int) -> None:
    async with store.transaction() as transaction:
        for number in range(count):
            await transaction.record(event(f"key{number}"))


def kill(mode: str, urls: list[str], folder: Path) -> int:
    """How many were killed before they were done."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.killed", mode, *urls],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_writer_that_is_killed_leaves_whole_transactions(tmp_path: Path) -> None:
    worked, revision = crash(tmp_path, 20, "write")
    assert worked > 5
    assert revision > 10


def test_a_creator_that_is_killed_leaves_a_usable_store(tmp_path: Path) -> None:
    worked, _ = crash(tmp_path, 20, "create")
    assert 0 < worked <= 20


async def follow(url: str, last: int) -> list[tuple[int, str]]:
    """Everything a worker sees that polls while others write: each change once, in order."""
    store = SqlStore(url)
    seen: list[tuple[int, str]] = []
    revision = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while revision < last:
            batch = await store.changes_since(revision)
            assert batch.is_complete
            assert batch.revision >= revision
            seen += [(change.revision, change.object_id) for change in batch.changes]
            revision = batch.revision
    await store.close()
    return seen


def crash(directory: Path, rounds: int, mode: str) -> tuple[int, int]:
    (directory / "warm").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.crash", str(directory), str(rounds), mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    worked, revision = done.stdout.split()
    return int(worked), int(revision)
