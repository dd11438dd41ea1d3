"""The app a server loads: the middleware around an echo, or around the proxy."""

from __future__ import annotations

import asyncio
import os

from gateway_auth import GatewayAuth
from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.config import load
from gateway_auth.server.composition import build

CONFIG = "WEBSOCKETS_CONFIG"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """What a simple app does: `/ws/push` sends until it fails, all others send back what came."""
    if scope["type"] != "websocket":
        await _live(receive, send) if scope["type"] == "lifespan" else await _answer(send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    if "push" in scope["path"]:
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 1024})
            await asyncio.sleep(0.001)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def _answer(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def mounted() -> GatewayAuth:
    """Around the echo."""
    return GatewayAuth(echo, config=os.environ[CONFIG])


def proxied() -> ASGIApp:
    """Around the proxy, as `serve` puts it together."""
    return build(load(os.environ[CONFIG])).app
