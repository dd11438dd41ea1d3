"""Posts signed events. No redirect is followed, no cookie kept, no answer read: only its status counts."""

from __future__ import annotations

import asyncio
from ssl import SSLContext

from httpx2 import AsyncHTTPTransport, Limits, Request, create_ssl_context

from gateway_auth.core.webhook import Delivery, sign

DEADLINE_SECONDS = 15.0


class HttpWebhook:
    """ports.WebhookClient for one address. `key` signs; `trust` says whose certificates count."""

    def __init__(self, url: str, key: bytes, *, trust: SSLContext | None = None) -> None:
        self._url = url
        self._key = key
        self._transport = AsyncHTTPTransport(
            verify=trust or create_ssl_context(), limits=Limits(max_connections=8, max_keepalive_connections=1)
        )

    async def post(self, delivery: Delivery, now: float) -> str | None:
        """None when the receiver answered 2xx, else in one line why not. Never raises."""
        return await self.send(delivery.event_id, delivery.body, now)

    async def send(self, event_id: str, text: str, now: float) -> str | None:
        """The same for an event that was never queued. `text` is ASCII."""
        body = text.encode("ascii")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "gateway-auth",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": sign(self._key, event_id, int(now), body),
        }
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                response = await self._transport.handle_async_request(
                    Request("POST", self._url, headers=headers, content=body)
                )
                await response.aclose()
        except TimeoutError:
            return f"no answer within {DEADLINE_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with a receiver is that receiver's outage
            return f"cannot be reached: {type(error).__name__}"
        return None if 200 <= response.status_code < 300 else f"answered {response.status_code}"

    async def close(self) -> None:
        """Close what is still open."""
        await self._transport.aclose()
