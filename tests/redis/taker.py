"""A node of its own: takes one limit as often as told in each of many rounds, and says how often it was admitted.

Run as `python -m tests.redis.taker PORT PREFIX RATE ROUNDS TAKES CONNECTIONS`.
"""

from __future__ import annotations

import asyncio
import json
import sys

from gateway_auth.adapters.redis.limit_store import RedisLimitStore
from gateway_auth.core.limits import LimitSet
from tests.fakes import limit
from tests.redis.callers import Caller, client_of


async def take(port: int, prefix: str, rate: str, rounds: int, takes: int, connections: int) -> list[int]:
    """How many were admitted in each round; a round is a partition of its own."""
    limits = LimitSet((limit("shared", rate),))
    clients = [client_of(port) for _ in range(connections)]
    stores = [RedisLimitStore(Caller(client), prefix) for client in clients]
    admitted = []
    for number in range(rounds):
        outcomes = await asyncio.gather(
            *(stores[index % connections].take(limits, [f"round-{number}"]) for index in range(takes))
        )
        admitted.append(sum(outcome.is_admitted for outcome in outcomes))
    for client in clients:
        await client.aclose()
    return admitted


if __name__ == "__main__":
    _, port, prefix, rate, *numbers = sys.argv
    print(json.dumps(asyncio.run(take(int(port), prefix, rate, *map(int, numbers)))))  # noqa: T201 (its answer)
