"""Tells webhooks what happened: makes events of new audit records, sends what is due, tries again what failed.

The audit is the source: an event is lost only with the change it tells of. Every worker does it; the outbox sees to it
that each event is sent by one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec.structs import replace

from gateway_auth.core.audit import EVERYTHING
from gateway_auth.core.webhook import Delivery, delivery_of_record, is_wanted, retry_at
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock, Registry
from gateway_auth.ports.webhooks import Outbox, WebhookClient

logger = logging.getLogger("gateway_auth.webhooks")

LOOK_SECONDS = 2.0
CLAIM_SECONDS = 60.0
"""Longer than any attempt: what is not settled by then is another worker's."""
HOUR_SECONDS = 3600.0
KEPT_SECONDS = 90 * 86400
"""How long it is known what became of a delivery. Longer than any notice: no reminder comes twice."""
MAX_RECORDS = 500
MAX_AT_ONCE = 8


class Dispatcher:
    """One per worker. `wanted` is by webhook id: which types of events it asked for; `remind` queues reminders."""

    def __init__(
        self,
        wanted: Mapping[str, Sequence[str]],
        clients: Mapping[str, WebhookClient],
        registry: Registry,
        outbox: Outbox,
        clock: Clock,
        remind: Callable[[], Awaitable[None]],
    ) -> None:
        self._wanted = wanted
        self._clients = clients
        self._registry = registry
        self._outbox = outbox
        self._clock = clock
        self._remind = remind
        self._next_hour = 0.0
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._task = asyncio.create_task(self._dispatch_for_ever(), name="gateway-auth webhooks")

    async def stop(self) -> None:
        """Stop; what was under way is sent again by another worker or after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def dispatch(self) -> None:
        """Make events of what is new, and send what is due. Raises StoreUnavailable."""
        await self._do_hourly()
        for webhook_id in self._wanted:
            await self._fan_out(webhook_id)
        while await self._send_some():
            pass

    async def _do_hourly(self) -> None:
        now = self._clock.now()
        if now >= self._next_hour:
            self._next_hour = now + HOUR_SECONDS
            await self._remind()
            await self._outbox.prune_deliveries(now - KEPT_SECONDS)

    async def _fan_out(self, webhook_id: str) -> None:
        cursor = await self._outbox.cursor(webhook_id)
        async with self._registry.reading() as snapshot:
            if cursor is None:
                # A new webhook hears of what happens from now on.
                await self._outbox.advance(webhook_id, None, (await snapshot.audit.standing()).head.seq, ())
                return
            records = await snapshot.audit.page(EVERYTHING, limit=MAX_RECORDS, after=cursor)
        if not records:
            return
        now = self._clock.now()
        patterns = self._wanted[webhook_id]
        deliveries = [
            delivery_of_record(webhook_id, sealed.record, now)
            for sealed in records
            if is_wanted(patterns, sealed.record.action)
        ]
        await self._outbox.advance(webhook_id, cursor, records[-1].record.seq, deliveries)

    async def _send_some(self) -> bool:
        now = self._clock.now()
        # Of its own webhooks: one it does not know may be known to others, before, during and after a reload.
        claimed = await self._outbox.claim(self._clients.keys(), now, now + CLAIM_SECONDS, MAX_AT_ONCE)
        await asyncio.gather(*(self._send(delivery) for delivery in claimed))
        return len(claimed) == MAX_AT_ONCE

    async def _send(self, delivery: Delivery) -> None:
        failure = await self._clients[delivery.webhook_id].post(delivery, self._clock.now())
        await self._outbox.settle(_after(delivery, failure, self._clock.now()))

    async def _dispatch_for_ever(self) -> None:
        while True:
            try:
                await self.dispatch()
                self._is_failing = False
            except StoreUnavailable as error:
                if not self._is_failing:
                    logger.warning("webhooks wait for the store: %s", error)
                self._is_failing = True
            except Exception:
                # A bug in an adapter must not end it for good.
                logger.exception("telling webhooks failed unexpectedly")
            await asyncio.sleep(LOOK_SECONDS)


def _after(delivery: Delivery, failure: str | None, now: float) -> Delivery:
    """The delivery after one more attempt."""
    attempts = delivery.attempts + 1
    if failure is None:
        return replace(delivery, attempts=attempts, status="delivered", last_error=None)
    next_at = retry_at(attempts, now)
    if next_at is None:
        logger.error("webhook %s: event %s is given up: %s", delivery.webhook_id, delivery.event_id, failure)
        return replace(delivery, attempts=attempts, status="dead", last_error=failure)
    logger.warning("webhook %s: event %s: %s", delivery.webhook_id, delivery.event_id, failure)
    return replace(delivery, attempts=attempts, next_at=next_at, last_error=failure)
