"""Run as a program: upgrades or backs up one store after the other, and kills it in the middle.

The first may end, and tells how long it takes: the others are killed sooner. Arguments: `upgrade` or `backup`, the
addresses of the stores. Backups go to numbered files in the current directory. It forks, which a process with threads
must not; that is why it is a program of its own.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.dump import dump
from gateway_auth.cli.new_files import whole_file


async def upgrade(url: str) -> None:
    """To the schema of today."""
    store = SqlStore(url)
    await store.upgrade()
    await store.close()


async def back_up(url: str, path: Path) -> None:
    """As the command does."""
    store = SqlStore(url)
    with whole_file(path) as file:
        await dump(store, file, 1.0)
    await store.close()


def begin(mode: str, number: int, url: str) -> int:
    """The child that does it."""
    child = os.fork()
    if child == 0:
        asyncio.run(upgrade(url) if mode == "upgrade" else back_up(url, Path(str(number))))
        os._exit(0)
    return child


def main() -> None:
    """Print how many were killed before they were done."""
    mode, urls = sys.argv[1], sys.argv[2:]
    import_module("alembic.command")  # before the clock of a child runs
    begun = time.monotonic()
    _, status = os.waitpid(begin(mode, 0, urls[0]), 0)
    whole = time.monotonic() - begun
    if status:
        sys.exit(f"it fails by itself: {status}")
    killed = 0
    for number, url in enumerate(urls[1:], 1):
        child = begin(mode, number, url)
        time.sleep(random.uniform(0, 0.8 * whole))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    sys.stdout.write(f"{killed}\n")


if __name__ == "__main__":
    main()
