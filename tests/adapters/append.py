"""Run as a program: one of several processes that write to one store at once.

Arguments: directory, name of the writer, how many changes. Prints the revisions it was given.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway_auth.adapters.sql import SqlStore
from tests.adapters.stores import add_change, sqlite_url


async def main() -> None:
    """Open (perhaps create) the store as soon as the starter says so, and write."""
    directory, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    store = SqlStore(sqlite_url(directory))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    revisions = [await add_change(store, name) for _ in range(count)]
    sys.stdout.write(" ".join(map(str, revisions)) + "\n")
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
