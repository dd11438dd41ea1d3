"""A worker of its own: takes slots, says so, and holds them until it is killed or told to end.

Run as `python -m tests.redis.slot_holder PORT PLACE LEASE_SECONDS KEY ROOM WANTED`.
"""

from __future__ import annotations

import asyncio
import sys

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.slot_table import RedisSlotTable
from gateway_auth.adapters.system import SystemClock
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.shares import Share
from gateway_auth.core.slots import SlotLimit
from gateway_auth.engine.shared_slots import SharedSlots


class Alone:
    """ports.LiveWorkers of one."""

    share = Share()


def open_slots(connection: RedisConnection, place: bytes, lease_seconds: float) -> SharedSlots:
    """The slots of one worker, as a gateway puts them together."""
    table = RedisSlotTable(connection, place, lease_seconds)
    return SharedSlots(table, lambda: connection.is_available(place), Alone(), SystemClock())


async def hold(port: int, place: bytes, lease_seconds: float, key: str, room: int, wanted: int) -> None:
    connection = RedisConnection(f"redis://127.0.0.1:{port}/0", timeout_seconds=5)
    store = open_slots(connection, place, lease_seconds)
    limits = LimitSet((), [SlotLimit("at-once", key, room, "key")])
    outcomes = await asyncio.gather(*(store.take(limits, ["alice"]) for _ in range(wanted)))
    print(sum(outcome.is_admitted and outcome.counted is None for outcome in outcomes), flush=True)  # noqa: T201 (its answer)
    await asyncio.to_thread(sys.stdin.readline)
    await store.close()
    await connection.close()


if __name__ == "__main__":
    _, port, place, lease, key, room, wanted = sys.argv
    asyncio.run(hold(int(port), place.encode(), float(lease), key, int(room), int(wanted)))
