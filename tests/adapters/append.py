"""Run as a program: several processes that write to one store at once.

Arguments: address of the store, how many writers, how many changes of each. Writer N leaves the revisions it was given
in the file N of the current directory. It forks, which a process with threads must not, and loads the program once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway_auth.adapters.sql import SqlStore
from tests.adapters.stores import add_change


async def write(url: str, number: int, count: int) -> list[int]:
    """Open (perhaps create) the store and change something in it, again and again; the revisions."""
    store = SqlStore(url)
    revisions = [await add_change(store, f"writer{number}") for _ in range(count)]
    await store.close()
    return revisions


def main() -> None:
    """Exits 1 when any of them failed."""
    url, writers, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    children = []
    for number in range(writers):
        child = os.fork()
        if child == 0:
            revisions = asyncio.run(write(url, number, count))
            Path(str(number)).write_text(" ".join(map(str, revisions)))
            os._exit(0)
        children.append(child)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))


if __name__ == "__main__":
    main()
