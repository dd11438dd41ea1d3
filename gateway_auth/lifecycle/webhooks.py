"""What operators do with deliveries: look at them, try one again, send a test. Knows no HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from msgspec.structs import replace

from gateway_auth.core.webhook import Delivery, event_body
from gateway_auth.errors import Conflict, NotFound
from gateway_auth.lifecycle.ids import new_id
from gateway_auth.lifecycle.input import MAX_PAGE, format_time
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import Clock, Random
from gateway_auth.ports.webhooks import Outbox


class ManageWebhooks:
    """`known` are the ids of the configured webhooks. Raises StoreUnavailable."""

    def __init__(self, outbox: Outbox, clock: Clock, random: Random, known: Collection[str]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._random = random
        self._known = known

    async def deliveries(self, status: str | None = None) -> AsyncIterator[Delivery]:
        """All of one status, or all: in order of id, read page by page."""
        after = ""
        while page := await self._outbox.page(status=status, limit=MAX_PAGE, after=after):
            for delivery in page:
                yield delivery
            after = page[-1].id

    async def retry(self, delivery_id: str) -> Delivery:
        """Send one again, as if for the first time."""
        found = await self._outbox.get(delivery_id)
        if found is None:
            raise NotFound(f"there is no delivery {delivery_id}; `gateway-auth webhooks deliveries` shows all")
        if found.status == "delivered":
            raise Conflict(f"delivery {delivery_id} has arrived already")
        again = replace(found, status="waiting", attempts=0, next_at=self._clock.now())
        await self._outbox.settle(again)
        return again

    async def test(self, webhook_id: str) -> Delivery:
        """Queue an event of type `webhook.test`, whatever events the webhook asked for."""
        if webhook_id not in self._known:
            known = ", ".join(sorted(self._known)) or "none"
            raise NotFound(f"there is no webhook {webhook_id}; configured are: {known}")
        now = self._clock.now()
        event_id = new_id("test", self._random)
        delivery = Delivery(
            id=f"{webhook_id}/{event_id}",
            webhook_id=webhook_id,
            event_id=event_id,
            event_type="webhook.test",
            body=event_body("webhook.test", now, {"webhook": webhook_id}),
            created_at=now,
            next_at=now,
        )
        await self._outbox.add([delivery])
        return delivery


def delivery_view(delivery: Delivery) -> View:
    """Every field but the body."""
    is_waiting = delivery.status == "waiting"
    return {
        "id": delivery.id,
        "webhook": delivery.webhook_id,
        "event": delivery.event_type,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": format_time(int(delivery.created_at)),
        "next_at": format_time(int(delivery.next_at)) if is_waiting else None,
        "last_error": delivery.last_error,
    }
