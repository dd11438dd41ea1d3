"""New keys by signed webhook: one request each, answered before anything else happens, never kept to be sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from gateway_auth.bootstrap.webhooks import open_client
from gateway_auth.config.configuration import HandoverSettings
from gateway_auth.core.webhook import event_body
from gateway_auth.errors import HandoverFailed
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.handover import Courier
from gateway_auth.lifecycle.views import created_view
from gateway_auth.ports import Clock


class _Sender(Protocol):
    async def send(self, event_id: str, text: str, now: float) -> str | None: ...


class WebhookCourier:
    """lifecycle.handover.Courier. Posts what `keys rotate --json` prints; whoever answers 2xx has taken it."""

    def __init__(self, sender: _Sender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock

    async def deliver(self, created: CreatedKey) -> None:
        """One attempt. Raises HandoverFailed for every answer but 2xx, and for none in 15 s."""
        now = self._clock.now()
        body = event_body("key.handover", now, created_view(created))
        failure = await self._sender.send(f"handover-{created.record.id}", body, now)
        if failure is not None:
            raise HandoverFailed(f"the receiver of new keys: {failure}")


@asynccontextmanager
async def webhook_courier(settings: HandoverSettings, clock: Clock) -> AsyncIterator[Courier]:
    """Open until the last key is handed over. Raises ConfigError where a library is missing."""
    client = open_client(settings.url, settings.secret)
    try:
        yield WebhookCourier(client, clock)
    finally:
        await client.close()
