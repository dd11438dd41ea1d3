"""The numbers of workers, as the process that started them reads them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.json import encode

from gateway_auth.core.condition import GONE, Condition
from gateway_auth.core.measures import Series
from gateway_auth.server.snapshots import STALE_SECONDS, Snapshot, Snapshots, reporting

PASSED = "gateway_auth_passed_total"
WORKERS = "gateway_auth_workers"
OK = Condition(True)


def write(folder: Path, name: str, pid: int, passed: float, condition: Condition = OK) -> Path:
    file = folder / f"{name}.json"
    file.write_bytes(encode(Snapshot(pid, condition, ((PASSED, ("r",), passed), (WORKERS, (), 1.0)))))
    return file


@pytest.fixture
def ended_pid() -> int:
    """Of a process that has ended and was waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_live_workers_are_added_up(tmp_path: Path) -> None:
    write(tmp_path, "a", os.getpid(), 1)
    write(tmp_path, "b", os.getpid(), 2, Condition(True, ("redis",)))
    assert Snapshots(tmp_path).read() == (Condition(True, ("redis",)), {(PASSED, ("r",)): 3.0, (WORKERS, ()): 2.0})


def test_what_a_worker_counted_stays_when_it_is_gone_and_its_file_does_not(tmp_path: Path, ended_pid: int) -> None:
    file = write(tmp_path, "a", ended_pid, 4)
    write(tmp_path, "b", os.getpid(), 1)
    snapshots = Snapshots(tmp_path)
    for _ in range(2):
        assert snapshots.read() == (Condition(True), {(PASSED, ("r",)): 5.0, (WORKERS, ()): 1.0})
    assert not file.exists()


def test_a_worker_that_hangs_counts_on_but_is_nobody_who_serves(tmp_path: Path) -> None:
    file = write(tmp_path, "a", os.getpid(), 4)
    then = time.time() - STALE_SECONDS - 1
    os.utime(file, (then, then))
    assert Snapshots(tmp_path).read() == (GONE, {(PASSED, ("r",)): 4.0})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid":"x"}', encode(Snapshot(1, GONE, ()))[:-1]])
def test_what_is_no_snapshot_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    write(tmp_path, "b", os.getpid(), 1)
    assert Snapshots(tmp_path).read()[1][PASSED, ("r",)] == 1.0


async def test_a_worker_writes_a_last_one_at_its_end(tmp_path: Path) -> None:
    numbers: dict[Series, float] = {(PASSED, ("r",)): 1.0}
    async with reporting(tmp_path, lambda: Condition(True), lambda: numbers):
        numbers[PASSED, ("r",)] = 7.0
    assert Snapshots(tmp_path).read() == (Condition(True), {(PASSED, ("r",)): 7.0})


async def test_where_nothing_can_be_written_serving_goes_on(tmp_path: Path) -> None:
    async with reporting(tmp_path / "gone", lambda: GONE, dict):
        pass
    assert Snapshots(tmp_path / "gone").read() == (GONE, {})
