"""Tells webhooks of what nobody did: keys about to expire, due for rotation, or used unlike before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from gateway_auth.core.keys import KeyRecord
from gateway_auth.core.webhook import Delivery, event_body, is_wanted
from gateway_auth.lifecycle.anomalies import ReviewActivity, anomaly_view
from gateway_auth.lifecycle.key_fields import DAY_SECONDS
from gateway_auth.lifecycle.review import ReviewKeys
from gateway_auth.lifecycle.views import key_view
from gateway_auth.ports import Clock
from gateway_auth.ports.webhooks import Outbox

NOTICE_DAYS = (14, 7, 1)
"""How long before its end a key is told of: once for each."""
MAX_BATCH = 200
ANOMALY = "key.anomaly"


class Reminders:
    """`wanted` is by webhook id: which types of events it asked for. Raises StoreUnavailable."""

    def __init__(
        self,
        review: ReviewKeys,
        activity: ReviewActivity,
        outbox: Outbox,
        clock: Clock,
        wanted: Mapping[str, Sequence[str]],
    ) -> None:
        self._review = review
        self._activity = activity
        self._outbox = outbox
        self._clock = clock
        self._wanted = wanted

    async def remind(self) -> None:
        """Queue what has not been told yet. As often as one likes: each reminder is known by its name."""
        now = self._clock.now()
        await self._queue(self._of_keys(now))
        if any(is_wanted(patterns, ANOMALY) for patterns in self._wanted.values()):
            await self._queue(self._of_anomalies(now))

    async def _queue(self, deliveries: AsyncIterator[Delivery]) -> None:
        waiting: list[Delivery] = []
        async for delivery in deliveries:
            waiting.append(delivery)
            if len(waiting) >= MAX_BATCH:
                await self._outbox.add(waiting)
                waiting = []
        if waiting:
            await self._outbox.add(waiting)

    async def _of_keys(self, now: float) -> AsyncIterator[Delivery]:
        async for key in self._review.due(max(NOTICE_DAYS)):
            event_type, name = _event_of(key, now)
            for delivery in self._deliveries(event_type, name, now, key.id, {"key": key_view(key, now)}):
                yield delivery

    async def _of_anomalies(self, now: float) -> AsyncIterator[Delivery]:
        async for one in self._activity.anomalies():
            # A network is news once, a burst once a day.
            when = one.since if one.subject else int(now) // DAY_SECONDS
            name = f"anomaly-{one.key_id}-{one.subject or one.kind}-{when}"
            for delivery in self._deliveries(ANOMALY, name, now, one.key_id, {"anomaly": anomaly_view(one)}):
                yield delivery

    def _deliveries(
        self, event_type: str, name: str, now: float, key_id: str, data: dict[str, object]
    ) -> Iterator[Delivery]:
        body = event_body(event_type, now, {"object": {"kind": "key", "id": key_id}, **data})
        for webhook_id, patterns in self._wanted.items():
            if is_wanted(patterns, event_type):
                yield Delivery(
                    id=f"{webhook_id}/{name}",
                    webhook_id=webhook_id,
                    event_id=name,
                    event_type=event_type,
                    body=body,
                    created_at=now,
                    next_at=now,
                )


def _event_of(key: KeyRecord, now: float) -> tuple[str, str]:
    """The type of the reminder, and its name: another one for another end, or for the next notice."""
    if key.expires_at is not None:
        days = [notice for notice in NOTICE_DAYS if key.expires_at - now < notice * DAY_SECONDS]
        if days:
            return "key.expiring", f"expiring-{key.id}-{key.expires_at}-{days[-1]}d"
    return "key.due", f"due-{key.id}"
