"""Who is told of events and who takes new keys, put together from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.outbox import SqlOutbox
from gateway_auth.config.configuration import Configuration
from gateway_auth.config.secret import Secret
from gateway_auth.engine.webhooks import Dispatcher
from gateway_auth.errors import ConfigError
from gateway_auth.lifecycle.anomalies import ReviewActivity
from gateway_auth.lifecycle.reminders import Reminders
from gateway_auth.lifecycle.review import ReviewKeys
from gateway_auth.ports import Clock

if TYPE_CHECKING:
    from gateway_auth.adapters.webhook_client import HttpWebhook


class Webhooks:
    """Runs beside the requests, never in their way. Closes the connections it opened."""

    def __init__(self, configuration: Configuration, store: SqlStore, clock: Clock) -> None:
        settings = configuration.webhooks
        wanted = {one.id: one.events for one in settings}
        review = ReviewKeys(
            store,
            clock,
            unused_after_days=configuration.api_keys.unused_after_days,
            rotate_after_days=configuration.api_keys.rotate_after_days,
        )
        outbox = SqlOutbox(store)
        self._clients = {one.id: open_client(one.url, one.secret) for one in settings}
        reminders = Reminders(review, ReviewActivity(store, clock), outbox, clock, wanted)
        self._dispatcher = Dispatcher(wanted, self._clients, store, outbox, clock, reminders.remind)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._dispatcher.start()

    async def stop(self) -> None:
        """End; what was under way is sent again later."""
        await self._dispatcher.stop()
        for client in self._clients.values():
            await client.close()


def open_webhooks(configuration: Configuration, store: SqlStore, clock: Clock) -> Webhooks | None:
    """Nothing where nobody wants to be told. Raises ConfigError where a library is missing."""
    return Webhooks(configuration, store, clock) if configuration.webhooks else None


def open_client(url: str, secret: Secret) -> HttpWebhook:
    """Raises ConfigError where a library is missing."""
    try:
        from gateway_auth.adapters.webhook_client import HttpWebhook
    except ImportError as error:
        raise ConfigError(f"webhooks need more libraries: pip install 'gateway-auth[tokens]' ({error})") from error
    return HttpWebhook(url, secret.reveal())
