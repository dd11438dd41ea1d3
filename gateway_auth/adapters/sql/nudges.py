"""Hears "something changed, look" from PostgreSQL. It carries no news: the change log has those.

The word is given in the transaction of the change, so it comes when the change can be seen and not without one. Who
hears nothing looks once a second anyway.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway_auth.adapters.sql.failures import Explain, translated
from gateway_auth.errors import StoreUnavailable

logger = logging.getLogger("gateway_auth.store")

CHANNEL = "gateway_auth"
IDLE_SECONDS = 5.0
"""A silent connection is asked for a sign of life after this long: one that is cut tells nobody."""
GAP_SECONDS = 0.05
"""Looks are at least this far apart: a flood of words must not become one of store readings."""
RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0


class Listening(Protocol):
    """What is used of a connection of asyncpg."""

    async def add_listener(self, channel: str, callback: Callable[..., object]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., object]) -> None: ...
    def is_closed(self) -> bool: ...


class NudgeListener:
    """Calls `on_nudge`, which must not wait, for what it hears and after each connect, `GAP_SECONDS` apart at least."""

    def __init__(self, engine: AsyncEngine, explain: Explain, on_nudge: Callable[[], object]) -> None:
        self.is_connected = False
        self._engine = engine
        self._explain = explain
        self._on_nudge = on_nudge
        self._heard = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, in the background."""
        self._task = asyncio.create_task(self._listen(), name="gateway-auth store nudges")

    async def close(self) -> None:
        """Listen no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._engine.dispose()

    async def _listen(self) -> None:
        wait = RETRY_SECONDS
        while True:
            try:
                with translated(self._explain):
                    async with self._engine.connect() as connection:
                        driver = await self._begin(connection)
                        wait = RETRY_SECONDS
                        await self._hear(connection, driver)
            except StoreUnavailable as error:
                if self.is_connected or wait == RETRY_SECONDS:
                    logger.warning("not told of changes, looking once a second: %s", error)
            self.is_connected = False
            # Apart from the other workers, who lost it together with this one.
            await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311
            wait = min(2 * wait, MAX_RETRY_SECONDS)

    async def _begin(self, connection: AsyncConnection) -> Listening:
        driver: Listening | None = (await connection.get_raw_connection()).driver_connection
        assert driver is not None  # noqa: S101 - an open connection has one
        await driver.add_listener(CHANNEL, lambda *_: self._heard.set())
        driver.add_termination_listener(lambda *_: self._heard.set())
        self.is_connected = True
        self._heard.set()  # what was said before is not heard
        return driver

    async def _hear(self, connection: AsyncConnection, driver: Listening) -> None:
        """Until the connection ends."""
        while not driver.is_closed():
            if await self._is_heard_within(IDLE_SECONDS):
                self._heard.clear()
                self._call()
                await asyncio.sleep(GAP_SECONDS)
            else:
                await connection.execute(text("SELECT 1"))

    async def _is_heard_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._heard.wait()
        except TimeoutError:
            return False

    def _call(self) -> None:
        try:
            self._on_nudge()
        except Exception:
            logger.exception("a nudge could not be passed on")
