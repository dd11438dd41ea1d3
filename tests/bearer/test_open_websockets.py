"""An open WebSocket lives as long as its token: until that ends, or is taken back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.actor import Actor
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.lifecycle.tokens import ManageTokens
from tests.asgi.open_socket import SECONDS, OpenSocket
from tests.asgi.raw import websocket_scope
from tests.asgi.world import Echo
from tests.bearer.conftest import Start, bearer, issuer_table
from tests.bearer.issuing import AUDIENCE, TokenIssuer

ACTOR = Actor(kind="cli", name="test")


@pytest.fixture
def app() -> object:
    """Accepts, and waits for its client to leave."""

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "yes"})

    return patient


async def test_it_ends_with_its_token(start: Start, issuer: TokenIssuer, tmp_path: Path) -> None:
    gateway = await start([issuer_table(issuer, tmp_path, leeway_seconds=0)])
    brief, long = issuer.token(scope="orders:read", exp=int(time.time()) + 3), issuer.token(scope="orders:read")
    sockets = [OpenSocket(gateway, websocket_scope("/socket", bearer(token))) for token in (brief, long)]
    for socket in sockets:
        await socket.until("websocket.accept")
    await sockets[0].until("websocket.close", code=1008, reason="credential_expired")
    await asyncio.wait_for(sockets[0].call, SECONDS)
    sockets[1].say("there?")
    await sockets[1].until("websocket.send", text="yes")
    await sockets[1].leave()


@pytest.mark.parametrize("kind", ["jti", "subject", "token"])
async def test_it_ends_when_its_token_is_taken_back(
    start: Start, issuer: TokenIssuer, tmp_path: Path, kind: str
) -> None:
    gateway = await start([issuer_table(issuer, tmp_path)])
    token, other = (issuer.token(scope="orders:read", jti=name, sub=name) for name in ("one", "other"))
    sockets = [OpenSocket(gateway, websocket_scope("/socket", bearer(text))) for text in (token, other)]
    for socket in sockets:
        await socket.until("websocket.accept")
    store = SqlStore(f"sqlite:///{tmp_path}/gateway.db")
    configured = Issuer(id="corp", issuer=issuer.issuer, audiences=frozenset((AUDIENCE,)))
    tokens = ManageTokens(store, SystemClock(), SystemRandom(), [configured], key_format=KeyFormat())
    revoke: dict[str, Callable[[], Awaitable[object]]] = {
        "jti": lambda: tokens.revoke_id(ACTOR, "one"),
        "subject": lambda: tokens.revoke_subject(ACTOR, "one"),
        "token": lambda: tokens.revoke_token(ACTOR, token.encode()),
    }
    await revoke[kind]()
    await store.close()
    await sockets[0].until("websocket.close", code=1008, reason="credential_revoked")
    sockets[1].say("there?")
    await sockets[1].until("websocket.send", text="yes")
    await sockets[1].leave()
