"""A running gateway tells a webhook of a change that somebody else makes to its store."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway_auth import GatewayAuth
from gateway_auth.adapters.sql.outbox import SqlOutbox
from gateway_auth.core.actor import Actor
from gateway_auth.engine import webhooks
from tests.adapters.test_webhook_client import answer, receiving
from tests.asgi.raw import get, lifespan
from tests.asgi.world import Echo, Site

SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE_SECONDS = 30


def told(site: Site, port: int) -> dict[str, Any]:
    """The configuration with a webhook."""
    secret = site.directory / "whsec"
    secret.touch(mode=0o600)
    secret.write_bytes(SECRET)
    webhook = {"id": "ops", "url": f"http://127.0.0.1:{port}/", "secret": f"file:{secret}", "events": ["key.disable"]}
    return {**site.config(), "webhooks": [webhook]}


async def test_who_leaves_tells_nobody_and_passes_over_nothing_that_happens_afterwards(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "LOOK_SECONDS", 0.02)
    store = site.open_store()
    manage = site.manage_keys(store)
    outbox = SqlOutbox(store)
    gateway = GatewayAuth(Echo(), config=told(site, 9))
    async with lifespan(gateway), asyncio.timeout(PATIENCE_SECONDS):
        while await outbox.cursor("ops") is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await gateway.leave()
        await manage.disable(Actor(kind="cli", name="ops"), site.ids["reader"])
        before = await outbox.cursor("ops")
        await asyncio.sleep(0.5)
        assert await outbox.cursor("ops") == before
        assert (await get(gateway, "/known", site.keys["plain"])).status == 200
    await store.close()


async def test_it_is_told_with_the_public_fields_and_nothing_else(site: Site) -> None:
    store = site.open_store()
    manage = site.manage_keys(store)
    async with receiving(answer("204 No Content")) as receiver:
        gateway = GatewayAuth(Echo(), config=told(site, receiver.port))
        async with lifespan(gateway), asyncio.timeout(PATIENCE_SECONDS):
            while not receiver.bodies:
                # The first look only notes where the audit stands: what came before is not told.
                await manage.disable(Actor(kind="cli", name="ops"), site.ids["reader"])
                await manage.enable(Actor(kind="cli", name="ops"), site.ids["reader"])
                await asyncio.sleep(0.2)
    await store.close()
    body = json.loads(receiver.bodies[0])
    assert body["type"] == "key.disable"
    assert body["data"]["after"]["status"] == "disabled"
    assert {"digest", "pepper_id", "key"} & body["data"]["after"].keys() == set()
