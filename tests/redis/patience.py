"""Waiting for what a server or a background task does in its own time; only a hang takes the whole patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.errors import RedisUnavailable

PATIENCE = 10.0


async def until(is_so: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Until it is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = is_so()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.005)


async def outcome(redis: RedisConnection, *command: bytes | str) -> str:
    """What became of a command: the kind of failure, or "answered"."""
    try:
        async with asyncio.timeout(PATIENCE):
            await redis.run(command or ("PING",))
    except RedisUnavailable as error:
        return error.kind
    return "answered"


async def until_answered(redis: RedisConnection) -> None:
    """Until Redis is asked and answers again."""

    async def is_answered() -> bool:
        return await outcome(redis) == "answered"

    await until(is_answered)
