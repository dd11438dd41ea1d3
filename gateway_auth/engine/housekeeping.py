"""Keeps the store from growing for ever: old rows of the change log, and usage older than is kept."""

from __future__ import annotations

import asyncio
import logging

from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock, Random, StoreCare

logger = logging.getLogger("gateway_auth.store")

HOUR_SECONDS = 3600.0
DAY_SECONDS = 86400
CHANGES_KEPT_SECONDS = DAY_SECONDS
"""A worker reads the change log every second; one that was away for longer forgets all it knew instead."""
MINUTES_KEPT_SECONDS = 2 * DAY_SECONDS
"""Usage older than this is kept by the hour."""
_SPREAD = 1000


class Housekeeper:
    """Once an hour, at a moment of its own: every worker of every node does it, the first has the work."""

    def __init__(self, store: StoreCare, clock: Clock, random: Random, usage_days: int) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._usage_days = usage_days
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._task = asyncio.create_task(self._keep_for_ever(), name="gateway-auth housekeeping")

    async def stop(self) -> None:
        """Stop; what is half done is rolled back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def keep(self) -> None:
        """Do now what there is to do. Raises StoreUnavailable."""
        now = self._clock.now()
        await self._store.prune_changes(now - CHANGES_KEPT_SECONDS)
        await self._store.prune_usage(
            minutes_before=now - MINUTES_KEPT_SECONDS, all_before=now - self._usage_days * DAY_SECONDS
        )

    async def _keep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(HOUR_SECONDS * (0.5 + self._random.below(_SPREAD) / _SPREAD))
            try:
                await self.keep()
            except StoreUnavailable as error:
                logger.info("old rows stay for another hour: %s", error)
            except Exception:
                # A bug in an adapter must not end it for good.
                logger.exception("housekeeping failed unexpectedly")
