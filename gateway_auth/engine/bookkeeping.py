"""Writes down what requests left behind, in batches: never a write per request, never a request that waits for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Random

logger = logging.getLogger("gateway_auth.books")

WRITE_SECONDS = 5.0
"""How often: what a worker that is killed has collected since is lost."""
CLOSE_SECONDS = 2.0
"""How long the last writing may take when the gateway closes."""
_SPREAD = 1000


class Ledger(Protocol):
    """Collects in memory, within bounds."""

    async def write(self) -> None:
        """Write what was collected since the last time. Raises StoreUnavailable, and keeps it for the next time."""
        ...


class Bookkeeper:
    """Has every ledger written, again and again, and once more at the end."""

    def __init__(self, ledgers: Sequence[Ledger], random: Random) -> None:
        self._ledgers = ledgers
        self._random = random
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._task = asyncio.create_task(self._write_for_ever(), name="gateway-auth books")

    async def stop(self) -> None:
        """Write what is left, if the store takes it soon."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.write()
        except TimeoutError:
            logger.warning("what was used in the last %ss was not recorded: the store is slow", WRITE_SECONDS)

    async def write(self) -> None:
        """Have every ledger written. Never raises."""
        failure: Exception | None = None
        for ledger in self._ledgers:
            try:
                await ledger.write()
            except StoreUnavailable as error:
                failure = error
            except Exception:
                # A bug in an adapter must not end the recording for good.
                logger.exception("recording failed unexpectedly")
        if failure is not None and not self._is_failing:
            logger.warning("what is used is counted but cannot be recorded: %s", failure)
        self._is_failing = failure is not None

    async def _write_for_ever(self) -> None:
        # Workers that started together must not write together.
        await asyncio.sleep(WRITE_SECONDS * self._random.below(_SPREAD) / _SPREAD)
        while True:
            await self.write()
            await asyncio.sleep(WRITE_SECONDS)
