"""Keeps what this worker remembers no older than promised, by reading the change log once a second.

It decides until when remembered facts may be used; it must not know what they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway_auth.engine.patience import within
from gateway_auth.engine.singleflight import SingleFlight
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import ChangeBatch, ChangeFeed, Clock

logger = logging.getLogger("gateway_auth.changes")

POLL_SECONDS = 1.0
PROMISE_SECONDS = 2.0
"""Facts are used for at most this long after the change log was last read: the bound on revocation without Redis."""
READ_TIMEOUT_SECONDS = 0.75
"""A reading that begins a poll after the last has failed before what the last one promised runs out."""


async def _nothing_to_learn(_: ChangeBatch) -> None:
    pass


class ChangeFollower:
    """Follows the change log.

    `serve_until` (monotonic seconds) is until when remembered facts may be used. While the store cannot be read it
    moves on, up to `max_stale_seconds` after the last good reading, and `is_degraded` tells. If nobody polls (the
    loop is stuck, the task died) it passes, and the next request reads the log itself.

    Each batch goes to `learn`, which may read more about it, then to `forget`. Where `learn` fails the poll has
    failed, and the same batch comes again. `start` hands on an incomplete one: all there is has yet to be learnt.
    `hear`, where it is set, is told of each batch that was applied.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        clock: Clock,
        forget: Callable[[ChangeBatch], None],
        max_stale_seconds: float,
        *,
        learn: Callable[[ChangeBatch], Awaitable[None]] = _nothing_to_learn,
    ) -> None:
        self.serve_until = 0.0
        self.is_degraded = False
        self.revision = 0
        self.hear: Callable[[ChangeBatch], None] | None = None
        self._feed = feed
        self._monotonic = clock.monotonic
        self._forget = forget
        self._learn = learn
        self.max_stale_seconds = max_stale_seconds
        self._read_at = float("-inf")
        self._retry_at = 0.0
        self._flight: SingleFlight[None, None] = SingleFlight()
        self._task: asyncio.Task[None] | None = None
        self._nudged = asyncio.Event()
        self._polls = 0

    async def start(self) -> None:
        """Read where the log stands and follow it from there. Raises StoreUnavailable."""
        started = self._monotonic()
        revision = await self._feed.current_revision()
        # After it was asked for: what is recorded in between is learnt now, and is in the first batch again.
        await self._learn(ChangeBatch(revision, is_complete=False))
        self.revision = revision
        self._succeeded(started)
        self._task = asyncio.create_task(self._follow(), name="gateway-auth changes")

    async def stop(self) -> None:
        """Follow no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._flight.close()

    @property
    def age_seconds(self) -> float:
        """Since the log was last read; before that, and for what was never read, 0."""
        return max(0.0, self._monotonic() - self._read_at) if self._read_at > float("-inf") else 0.0

    def is_usable(self) -> bool:
        """Whether remembered facts may be used, or the next request can find out that they may."""
        return not self.is_degraded or self._monotonic() < self.serve_until

    def nudge(self) -> None:
        """Read the log now rather than within a second: it may say more. Waits for nothing."""
        self._nudged.set()

    async def catch_up(self) -> bool:
        """Read the log now, unless that failed a moment ago; whether remembered facts may be used afterwards."""
        if not self.is_backing_off():
            await self._flight.do(None, self._poll)
        return self._monotonic() < self.serve_until

    def is_backing_off(self) -> bool:
        """Whether the store failed so short a time ago that asking again would only make callers wait."""
        return self.is_degraded and self._monotonic() < self._retry_at

    async def _follow(self) -> None:
        while True:
            is_nudged = await self._is_nudged_within(POLL_SECONDS)
            self._nudged.clear()
            if is_nudged and self.is_backing_off():
                continue
            polls = self._polls
            await self._flight.do(None, self._poll)
            if is_nudged and self._polls == polls:
                # It was under way before the nudge, and may have read before the change that caused it.
                await self._flight.do(None, self._poll)

    async def _is_nudged_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._nudged.wait()
        except TimeoutError:
            return False

    async def _poll(self) -> None:
        self._polls += 1
        started = self._monotonic()
        try:
            async with within(READ_TIMEOUT_SECONDS):
                batch = await self._read()
                while batch is not None:
                    batch = await self._read()
        except (StoreUnavailable, TimeoutError) as error:
            self._failed(error)
        except Exception as error:
            # A bug in an adapter must not stop the following for good: it counts as an outage, and is told.
            logger.exception("reading the change log failed unexpectedly")
            self._failed(error)
        else:
            self._succeeded(started)

    async def _read(self) -> ChangeBatch | None:
        """Apply what changed; None when there is nothing more."""
        batch = await self._feed.changes_since(self.revision)
        if batch.changes or not batch.is_complete:
            await self._learn(batch)
            # In one step with the revision: what is read from now on is held against it, and what was read while
            # `_learn` waited is among what is forgotten.
            self._forget(batch)
        has_more = batch.is_complete and batch.revision > self.revision
        self.revision = batch.revision
        if self.hear is not None and (batch.changes or not batch.is_complete):
            self.hear(batch)
        return batch if has_more else None

    def _succeeded(self, started: float) -> None:
        if self.is_degraded:
            logger.warning("the store answers again")
        self.is_degraded = False
        self._read_at = started
        # From before the reading: a change committed while it ran may not be in it.
        self.serve_until = started + PROMISE_SECONDS

    def _failed(self, error: Exception) -> None:
        now = self._monotonic()
        if not self.is_degraded:
            logger.warning(
                "the store cannot be read; known keys are served for up to %ss: %s", self.max_stale_seconds, error
            )
        self.is_degraded = True
        self._retry_at = now + POLL_SECONDS / 2
        self.serve_until = min(now + PROMISE_SECONDS, self._read_at + self.max_stale_seconds)
