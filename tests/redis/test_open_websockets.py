"""With Redis an open WebSocket ends when the change is told, not when the log is next read."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.nudges import publish
from gateway_auth.engine import changes
from tests.asgi.open_socket import SECONDS, OpenSocket
from tests.asgi.raw import websocket_scope
from tests.asgi.world import ACTOR, Echo, Site, build_site
from tests.redis.gateways import ENCRYPTION_KEY, running

ROUTES = [{"id": "known", "path": "/known", "websocket": True}]


async def patient(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts, and waits for its client to leave."""
    if scope["type"] == "lifespan":
        await Echo()(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        pass


async def test_it_ends_when_the_change_is_told(
    port: int, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENCRYPTION_KEY, b64encode(bytes(range(32))).decode())
    # Nobody looks by himself while this test runs.
    monkeypatch.setattr(changes, "POLL_SECONDS", 300.0)
    monkeypatch.setattr(changes, "PROMISE_SECONDS", 300.0)
    site: Site = await asyncio.to_thread(build_site, tmp_path)
    url = f"redis://127.0.0.1:{port}"
    async with running(site, url, prefix, timeout_seconds=5, routes=ROUTES, app=patient) as gateway:
        scope = websocket_scope("/known", [("x-api-key", site.keys["plain"])])
        socket = OpenSocket(gateway._app, scope)
        await socket.until("websocket.accept")
        store, redis = site.open_store(), RedisConnection(url, timeout_seconds=5)
        await site.manage_keys(store).revoke(ACTOR, site.ids["plain"])
        async with asyncio.timeout(SECONDS):
            while not socket.call.done():  # Whoever does not listen yet hears none.
                await publish(redis, prefix)
                await asyncio.wait((socket.call,), timeout=0.5)
        assert socket.sent[-1] == {"type": "websocket.close", "code": 1008, "reason": "credential_revoked"}
        await redis.close()
        await store.close()
    assert len(gateway.gateway.watches) == 0
