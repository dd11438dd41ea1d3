"""Run as a program: kills a writer of a store again and again and looks at what is left.

Arguments: directory, rounds, `create` (a fresh store each round) or `write` (one store through all rounds).
It forks, which a process with threads must not; that is why it is a program of its own.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from gateway_auth.adapters.sql import SqlStore
from tests.adapters.stores import app, event, key, query, sqlite_file, sqlite_url

LONGEST_LIFE_SECONDS = 0.25
INTERRUPTED_SECONDS = 5.0


async def write_for_ever(directory: Path) -> None:
    """Keys, each with its change row; every tenth transaction deletes one."""
    store = SqlStore(sqlite_url(directory))
    async with store.transaction() as transaction:
        await transaction.apps.save(app())
    for number in range(1_000_000):
        async with store.transaction() as transaction:
            for half in ("a", "b"):
                new = replace(key(), id=f"{os.getpid()}_{number}{half}")
                await transaction.keys.save(new)
                await transaction.record(event(new.id))


def look_at(directory: Path) -> tuple[int, int]:
    """(revision, keys) of a store that must be whole, or (0, 0) for one that was not created yet."""
    asyncio.run(open_and_close(directory))
    file = sqlite_file(directory)
    assert query(file, "PRAGMA integrity_check") == [("ok",)]
    ((revision,),) = query(file, "SELECT revision FROM head")
    ((keys,),) = query(file, "SELECT count(*) FROM keys")
    changes = query(file, "SELECT count(*), coalesce(max(revision), 0) FROM changes")
    assert changes == [(revision, revision)], changes
    assert query(file, "SELECT count(*), coalesce(max(seq), 0) FROM audit") == changes
    assert keys == revision, (keys, revision)
    assert isinstance(revision, int)
    assert isinstance(keys, int)
    assert keys % 2 == 0
    return revision, keys


def end(child: int) -> None:
    """Wait for a child that was told to end. Python loses an interrupt that comes while it runs the hooks of a fork."""
    give_up = time.monotonic() + INTERRUPTED_SECONDS
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > give_up:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.005)


async def open_and_close(directory: Path) -> None:
    """What the next start of a program does."""
    store = SqlStore(sqlite_url(directory))
    await store.open()
    await store.close()


def main() -> None:
    """Print how many rounds found work done before the kill, and the last revision."""
    directory, rounds, mode = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    asyncio.run(open_and_close(directory / "warm"))  # imports are done before the clock of a child runs
    worked, revision = 0, 0
    for number in range(rounds):
        place = directory / (str(number) if mode == "create" else "one")
        place.mkdir(exist_ok=True)
        child = os.fork()
        if child == 0:
            asyncio.run(write_for_ever(place))
        time.sleep(random.uniform(0, LONGEST_LIFE_SECONDS))
        os.kill(child, random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGINT)))
        end(child)
        before, (revision, _) = revision, look_at(place)
        worked += revision > (0 if mode == "create" else before)
    sys.stdout.write(f"{worked} {revision}\n")


if __name__ == "__main__":
    main()
