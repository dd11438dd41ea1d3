"""Events on their way to others, and who carries them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from gateway_auth.core.webhook import Delivery


class Outbox(Protocol):
    """Keeps deliveries until they have arrived, for all workers of all nodes together. Raises StoreUnavailable."""

    async def cursor(self, webhook_id: str) -> int | None:
        """Up to which audit record events were made for a webhook; None for one not seen before."""
        ...

    async def advance(self, webhook_id: str, after: int | None, upto: int, deliveries: Sequence[Delivery]) -> bool:
        """Move the cursor and add the deliveries, both or neither; false where somebody else has moved it."""
        ...

    async def add(self, deliveries: Sequence[Delivery]) -> int:
        """Add those whose id is not known yet; returns how many."""
        ...

    async def claim(self, webhook_ids: Collection[str], now: float, until: float, limit: int) -> Sequence[Delivery]:
        """Those of these webhooks that are due, for this caller alone until a time.

        Whoever dies meanwhile leaves them to others.
        """
        ...

    async def settle(self, delivery: Delivery) -> None:
        """Keep how an attempt ended."""
        ...

    async def page(self, *, status: str | None, limit: int, after: str = "") -> Sequence[Delivery]:
        """Deliveries in order of id, of one status or of all."""
        ...

    async def get(self, delivery_id: str) -> Delivery | None: ...
    async def prune_deliveries(self, before: float) -> int:
        """Forget those created before a time, whatever became of them; returns how many."""
        ...


class WebhookClient(Protocol):
    """Posts one event."""

    async def post(self, delivery: Delivery, now: float) -> str | None:
        """None when the receiver has taken it (2xx), else in one line why not. Never raises."""
        ...

    async def close(self) -> None:
        """Close what is still open."""
        ...
