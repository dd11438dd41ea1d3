"""Run as a program: several processes that manage the same keys of one store at once, for some seconds.

Arguments: address of the store, how many writers, for how many seconds, and with `kill` that they are killed in the
middle again and again, and begun anew. Each writer appends a line to a file of its own for every change that was
answered: the audit must have its records, `KIND ID` each, and no others. It forks, which a process with threads must
not, and loads the program once. Prints how many were killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TextIO

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.actor import Actor
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.errors import Conflict, NotFound
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys

Change = Callable[["Writer", str], Awaitable[list[str]]]
SHARED = 12
"""Keys of an app that every writer changes: few enough that they meet."""
LIFE_SECONDS = (0.05, 0.3)
"""How long a writer lives that is killed."""


class Writer:
    """One process. What it does next is chance."""

    def __init__(self, store: SqlStore, number: int) -> None:
        clock, chance = SystemClock(), SystemRandom()
        self.actor = Actor(kind="cli", name=f"writer{number}")
        self.keys = ManageKeys(store, clock, chance, key_format=KeyFormat(), peppers=PepperRing(bytes(range(32))))
        self.apps = ManageApps(store, clock, chance, ())

    async def begin(self) -> str:
        """The app they share."""
        async for app in self.apps.iterate():
            return app.id
        return (await self.apps.create(self.actor, AppFields(name="shared"))).id

    async def change(self, app_id: str) -> list[str]:
        """One change: what the audit must say of it. Nothing where somebody was quicker, or nothing was to change."""
        keys = await self.keys.page(limit=SHARED, app_id=app_id)
        if len(keys) < SHARED:
            return await create(self, app_id)
        try:
            return await random.choice(CHANGES)(self, random.choice(keys).id)
        except (Conflict, NotFound):
            return []


async def create(writer: Writer, app_id: str) -> list[str]:
    """A new key."""
    created = await writer.keys.create(writer.actor, app_id, "live", KeyFields(name="k"))
    return [f"key.create {created.record.id}"]


async def rename(writer: Writer, key_id: str) -> list[str]:
    """Always another name: never nothing to do."""
    await writer.keys.update(writer.actor, key_id, KeyFields(name=f"{random.random()}"))
    return [f"key.update {key_id}"]


async def rotate(writer: Writer, key_id: str) -> list[str]:
    """Two records."""
    rotated = await writer.keys.rotate(writer.actor, key_id)
    return [f"key.rotate {key_id}", f"key.create {rotated.created.record.id}"]


async def delete(writer: Writer, key_id: str) -> list[str]:
    """Others find it gone."""
    await writer.keys.delete(writer.actor, key_id)
    return [f"key.delete {key_id}"]


CHANGES: list[Change] = [rename, rename, rotate, delete]


async def write(url: str, number: int, until: float, file: TextIO) -> None:
    """Manage until a time of the monotonic clock, once at least, and note in the file what was answered."""
    store = SqlStore(url)
    writer = Writer(store, number)
    app_id = await writer.begin()
    while True:
        file.writelines(f"{line}\n" for line in await writer.change(app_id))
        file.flush()
        if time.monotonic() >= until:
            break
    await store.close()


def fork(url: str, number: int, until: float) -> int:
    """A writer's process."""
    child = os.fork()
    if child == 0:
        random.seed()
        with open(str(number), "a", encoding="ascii") as file:
            asyncio.run(write(url, number, until, file))
        os._exit(0)
    return child


def kill_again_and_again(url: str, writers: int, until: float, children: list[int]) -> int:
    """How many were killed. At the end as many are left as there were."""
    killed = 0
    while time.monotonic() < until:
        time.sleep(random.uniform(*LIFE_SECONDS))
        victim = children.pop(0)
        os.kill(victim, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(victim, 0)[1])
        children.append(fork(url, writers + killed, until))
    return killed


async def prepare(url: str) -> None:
    """The app, before anybody can make a second one."""
    store = SqlStore(url)
    await Writer(store, 0).begin()
    await store.close()


def main() -> None:
    """Exits 1 when any of them failed."""
    url, writers, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    asyncio.run(prepare(url))
    until = time.monotonic() + seconds
    children = [fork(url, number, until) for number in range(writers)]
    killed = kill_again_and_again(url, writers, until, children) if "kill" in sys.argv[4:] else 0
    sys.stdout.write(f"{killed}\n")
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))


if __name__ == "__main__":
    main()
