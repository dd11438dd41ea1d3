"""Deliveries of webhooks in memory: the twin of `adapters.sql.outbox`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from gateway_auth.core.webhook import Delivery


class MemoryOutbox:
    """ports.webhooks.Outbox of one process."""

    def __init__(self) -> None:
        self._cursors: dict[str, int] = {}
        self._deliveries: dict[str, Delivery] = {}

    async def cursor(self, webhook_id: str) -> int | None:
        """Up to which audit record events were made; None for a webhook not seen before."""
        return self._cursors.get(webhook_id)

    async def advance(self, webhook_id: str, after: int | None, upto: int, deliveries: Sequence[Delivery]) -> bool:
        """Move the cursor and add the deliveries, both or neither; false where somebody else has moved it."""
        if self._cursors.get(webhook_id) != after:
            return False
        self._cursors[webhook_id] = upto
        await self.add(deliveries)
        return True

    async def add(self, deliveries: Sequence[Delivery]) -> int:
        """Add those whose id is not known yet; returns how many."""
        new = {one.id: one for one in deliveries if one.id not in self._deliveries}
        self._deliveries |= new
        return len(new)

    async def claim(self, webhook_ids: Collection[str], now: float, until: float, limit: int) -> Sequence[Delivery]:
        """Those of these webhooks that are due, for this caller alone until a time."""
        theirs = (one for one in self._deliveries.values() if one.webhook_id in webhook_ids)
        due = sorted(
            (one for one in theirs if one.status == "waiting" and one.next_at <= now), key=lambda one: one.next_at
        )
        claimed = [replace(one, next_at=until) for one in due[:limit]]
        self._deliveries |= {one.id: one for one in claimed}
        return claimed

    async def settle(self, delivery: Delivery) -> None:
        """Keep how an attempt ended."""
        self._deliveries[delivery.id] = delivery

    async def page(self, *, status: str | None, limit: int, after: str = "") -> Sequence[Delivery]:
        """Deliveries in order of id, of one status or of all."""
        chosen = (self._deliveries[name] for name in sorted(self._deliveries) if name > after)
        return [one for one in chosen if status in (None, one.status)][:limit]

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery."""
        return self._deliveries.get(delivery_id)

    async def prune_deliveries(self, before: float) -> int:
        """Forget those created before a time, whatever became of them; returns how many."""
        old = [one.id for one in self._deliveries.values() if one.created_at < before]
        for name in old:
            del self._deliveries[name]
        return len(old)
