"""Several processes on one SQLite store, and processes that die in the middle of something."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gateway_auth.adapters.sql import SqlStore
from tests.adapters.stores import query, sqlite_file, sqlite_url

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


async def test_processes_that_create_and_write_at_once_all_succeed_and_revisions_have_no_gap(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        writers = [stack.enter_context(writer(tmp_path, f"writer{number}", 60)) for number in range(4)]
        for process in writers:
            assert await line(process) == "ready\n"
        for process in writers:
            send(process, "go\n")
        followed = await follow(tmp_path, 240)
        given = [[int(word) for word in (await line(process)).split()] for process in writers]
    # Each writer's revisions rise, and together they are every number once.
    assert all(revisions == sorted(revisions) for revisions in given)
    assert sorted(number for revisions in given for number in revisions) == list(range(1, 241))
    assert followed == [
        (number, f"writer{index}")
        for number, index in sorted((number, index) for index, mine in enumerate(given) for number in mine)
    ]
    assert query(sqlite_file(tmp_path), "SELECT revision, audit_seq FROM head") == [(240, 240)]


def test_a_writer_that_is_killed_leaves_whole_transactions(tmp_path: Path) -> None:
    worked, revision = crash(tmp_path, 20, "write")
    assert worked > 5
    assert revision > 10


def test_a_creator_that_is_killed_leaves_a_usable_store(tmp_path: Path) -> None:
    worked, _ = crash(tmp_path, 20, "create")
    assert 0 < worked <= 20


async def follow(directory: Path, last: int) -> list[tuple[int, str]]:
    """Everything a worker sees that polls while others write: each change once, in order."""
    store = SqlStore(sqlite_url(directory))
    seen: list[tuple[int, str]] = []
    revision = 0
    async with asyncio.timeout(60):
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


@contextmanager
def writer(directory: Path, name: str, count: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.adapters.append", str(directory), name, str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.wait(timeout=60) == 0


async def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return await asyncio.to_thread(process.stdout.readline)


def send(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()
