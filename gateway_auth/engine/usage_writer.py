"""Writes what was counted to the store, in batches: never a write per request, never a wait for one."""

from __future__ import annotations

import asyncio
import logging

from gateway_auth.engine.usage import UsageTally
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock, Random, UsageSink

logger = logging.getLogger("gateway_auth.usage")

WRITE_SECONDS = 5.0
"""How often: what a worker that is killed has counted since is lost."""
CLOSE_SECONDS = 2.0
"""How long the last batch may take when the gateway closes."""
_SPREAD = 1000


class UsageWriter:
    """Writes a tally's batches, and once more at the end. A batch the store does not take waits for the next."""

    def __init__(self, tally: UsageTally, sink: UsageSink, clock: Clock, random: Random) -> None:
        self._tally = tally
        self._sink = sink
        self._clock = clock
        self._random = random
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._task = asyncio.create_task(self._write_for_ever(), name="gateway-auth usage")

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
        """Write what was counted since the last time."""
        batch = self._tally.take(self._clock.now())
        if batch is None:
            return
        try:
            await self._sink.add_usage(batch)
        except StoreUnavailable as error:
            self._tally.give_back(batch)
            if not self._is_failing:
                logger.warning("usage is counted but cannot be recorded: %s", error)
            self._is_failing = True
        else:
            self._is_failing = False

    async def _write_for_ever(self) -> None:
        # Workers that started together must not write together.
        await asyncio.sleep(WRITE_SECONDS * self._random.below(_SPREAD) / _SPREAD)
        while True:
            try:
                await self.write()
            except Exception:
                # A bug in an adapter must not end the recording for good.
                logger.exception("recording usage failed unexpectedly")
            await asyncio.sleep(WRITE_SECONDS)
