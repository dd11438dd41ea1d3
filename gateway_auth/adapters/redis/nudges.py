"""Says "something changed, look" to every worker through Redis, and hears it. It carries no news: the log has those.

So a message that is lost, doubled or forged costs nothing but a look. Who hears nothing looks once a second anyway.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from gateway_auth.adapters.redis.link import Command, Link, Reply
from gateway_auth.core.cachekey import compose
from gateway_auth.errors import RedisUnavailable

logger = logging.getLogger("gateway_auth.redis")

IDLE_SECONDS = 5.0
"""A silent connection is asked for a sign of life after this long, and given up after as long again."""
GAP_SECONDS = 0.05
"""Looks are at least this far apart: a flood of messages, ours or not, must not become one of store readings."""
RETRY_SECONDS = 0.5
TELL_SECONDS = 60.0
PUBLISH_SECONDS = 1.0
"""Longer than a command may take for a request: nobody waits for a decision, and a command line connects first."""


class Redis(Protocol):
    """What is used of RedisConnection."""

    async def run(self, command: Command, *, seconds: float | None = None) -> Reply: ...
    async def dial(self) -> Link: ...


def channel_of(key_prefix: str) -> str:
    """Where it is said."""
    return f"{key_prefix}:{compose('changed')}"


async def publish(redis: Redis, key_prefix: str) -> bool:
    """Tell all workers, after a change was committed; whether Redis took it. Never raises: the change is made."""
    try:
        await redis.run(("PUBLISH", channel_of(key_prefix), b""), seconds=PUBLISH_SECONDS)
    except RedisUnavailable as error:
        logger.warning("workers were not told of the change and notice it within a second: %s", error)
        return False
    return True


class NudgeListener:
    """Calls `on_nudge` for each message, after each connect, and never twice within `GAP_SECONDS`.

    `on_nudge` must not wait. It is called after the subscription stands, so nothing falls between look and listening.
    """

    def __init__(self, redis: Redis, key_prefix: str, on_nudge: Callable[[], object]) -> None:
        self._redis = redis
        self._channel = channel_of(key_prefix)
        self._on_nudge = on_nudge
        self._task: asyncio.Task[None] | None = None
        self._next: asyncio.TimerHandle | None = None
        self._called_at = float("-inf")
        self._told: dict[str, float] = {}
        self.is_connected = False

    def start(self) -> None:
        """Begin to listen, in the background."""
        self._task = asyncio.create_task(self._listen(), name="gateway-auth nudges")

    async def close(self) -> None:
        """Listen no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._next is not None:
            self._next.cancel()

    async def _listen(self) -> None:
        while True:
            try:
                link = await self._redis.dial()
                try:
                    await self._hear(link)
                finally:
                    self.is_connected = False
                    link.close()
            except RedisUnavailable as error:
                self._tell(error)
            # Apart from the other workers, who lost it together with this one.
            await asyncio.sleep(RETRY_SECONDS * (0.5 + random.random() / 2))  # noqa: S311

    async def _hear(self, link: Link) -> None:
        """Until the connection ends."""
        await link.send(("SUBSCRIBE", self._channel))
        is_asked = False
        while True:
            heard = await link.receive(IDLE_SECONDS)
            if heard is None:
                if is_asked:
                    return
                is_asked = True
                await link.send(("PING",))
                continue
            is_asked = False
            if isinstance(heard, list) and heard and heard[0] in (b"subscribe", b"message"):
                self.is_connected = True
                self._nudged()
            # A flood that is already read would keep the loop from everybody else.
            await asyncio.sleep(0)

    def _tell(self, error: RedisUnavailable) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._told.get(error.kind, float("-inf")):
            self._told[error.kind] = now + TELL_SECONDS
            logger.warning("not told of changes, looking once a second: %s", error)

    def _nudged(self) -> None:
        if self._next is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._called_at + GAP_SECONDS - loop.time()
        if wait <= 0:
            self._call()
        else:
            self._next = loop.call_later(wait, self._call)

    def _call(self) -> None:
        self._next = None
        self._called_at = asyncio.get_running_loop().time()
        try:
            self._on_nudge()
        except Exception:
            logger.exception("a nudge could not be passed on")
