"""What an app and its client see when the credential of an open WebSocket ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway_auth import GatewayAuth
from gateway_auth.lifecycle.keys import ManageKeys
from tests.asgi.open_socket import SECONDS, OpenSocket
from tests.asgi.raw import websocket_scope
from tests.asgi.world import ACTOR, Echo, Mount, Site

CAN_ANSWER: dict[str, object] = {"websocket.http.response": {}}
REVOKED = {"code": 1008, "reason": "credential_revoked"}
Body = Callable[[Receive, Send], Awaitable[None]]


class App:
    """Runs `body` for a WebSocket; `ended` is how that ended."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.ended: BaseException | None = None
        self.is_over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        try:
            await self._body(receive, send)
        except BaseException as error:
            self.ended = error
            raise
        finally:
            self.is_over.set()


async def echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    assert message == {"type": "websocket.disconnect", **REVOKED}


@pytest.fixture
async def keys(site: Site) -> AsyncIterator[ManageKeys]:
    """Management, elsewhere."""
    store = site.open_store()
    yield site.manage_keys(store)
    await store.close()


def opened(gateway: GatewayAuth, site: Site, **changes: object) -> OpenSocket:
    headers = [("x-api-key", site.keys["reader"])]
    return OpenSocket(gateway, websocket_scope("/socket", headers, **changes))


async def test_who_waits_for_the_client_is_told_and_the_client_too(mount: Mount, site: Site, keys: ManageKeys) -> None:
    gateway = await mount(app := App(echo))
    socket = opened(gateway, site)
    socket.say("a")
    await socket.until("websocket.send", text="a")
    await keys.revoke(ACTOR, site.ids["reader"])
    await socket.until("websocket.close", **REVOKED)
    await asyncio.wait_for(socket.call, SECONDS)
    assert app.ended is None
    refused = gateway._gate.recorder.refused if gateway._gate else {}
    assert [reason for _, reason in refused] == ["credential_revoked"]


async def test_an_app_that_only_sends_is_stopped_by_its_next_message(
    mount: Mount, site: Site, keys: ManageKeys
) -> None:
    async def push(receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0.001)

    gateway = await mount(app := App(push))
    socket = opened(gateway, site)
    await socket.until("websocket.send")
    await keys.revoke(ACTOR, site.ids["reader"])
    await asyncio.wait_for(socket.call, SECONDS)
    assert isinstance(app.ended, ConnectionAbortedError)
    assert socket.sent[-1] == {"type": "websocket.close", **REVOKED}


async def test_a_message_a_slow_client_does_not_take_is_given_up(mount: Mount, site: Site, keys: ManageKeys) -> None:
    gateway = await mount(app := App(echo))
    socket = opened(gateway, site)
    socket.say("a")
    await socket.until("websocket.send")
    socket.may_send.clear()
    socket.say("b")
    await keys.revoke(ACTOR, site.ids["reader"])
    await socket.until("websocket.close", **REVOKED)
    await asyncio.wait_for(socket.call, SECONDS)
    assert isinstance(app.ended, ConnectionAbortedError)
    assert [m.get("text") for m in socket.sent if m["type"] == "websocket.send"] == ["a"]


@pytest.mark.parametrize("extensions", [{}, CAN_ANSWER], ids=["plain", "can-answer"])
async def test_before_it_is_accepted_it_is_refused(
    mount: Mount, site: Site, keys: ManageKeys, extensions: dict[str, object]
) -> None:
    async def hesitant(receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["code"] == 1008
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "secret"})

    gateway = await mount(app := App(hesitant))
    socket = opened(gateway, site, extensions=extensions)
    await keys.revoke(ACTOR, site.ids["reader"])
    await asyncio.wait_for(socket.call, SECONDS)
    assert app.is_over.is_set()
    kinds = [message["type"] for message in socket.sent]
    if extensions:
        assert kinds == ["websocket.http.response.start", "websocket.http.response.body"]
        assert socket.sent[0]["status"] == 401
    else:
        assert socket.sent == [{"type": "websocket.close", **REVOKED}]


async def test_a_client_that_takes_no_close_is_left_to_the_server(
    mount: Mount, site: Site, keys: ManageKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_auth.asgi.watched.CLOSE_SECONDS", 0.05)
    gateway = await mount(App(echo))
    socket = opened(gateway, site)
    await socket.until("websocket.accept")
    plain = socket._send

    async def stuck(message: dict[str, object]) -> None:
        if message["type"] == "websocket.close":
            await asyncio.Event().wait()
        await plain(message)

    gate = gateway._gate
    assert gate is not None
    (watch,) = gate.watches._open
    watch._on_end.__self__._exchange.server_send = stuck  # type: ignore[attr-defined]  # the server of this test
    await keys.revoke(ACTOR, site.ids["reader"])
    await asyncio.wait_for(socket.call, SECONDS)
    assert [message["type"] for message in socket.sent] == ["websocket.accept"]


async def test_who_closes_first_is_not_closed_again(mount: Mount, site: Site, keys: ManageKeys) -> None:
    closed = asyncio.Event()

    async def brief(receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        await closed.wait()

    gateway = await mount(App(brief))
    socket = opened(gateway, site)
    await socket.until("websocket.close")
    await keys.revoke(ACTOR, site.ids["reader"])
    beside = OpenSocket(gateway, websocket_scope("/socket", [("x-api-key", site.keys["reader"])]))
    closed.set()
    await asyncio.wait_for(socket.call, SECONDS)
    await asyncio.wait_for(beside.call, SECONDS)
    assert [message["type"] for message in socket.sent] == ["websocket.accept", "websocket.close"]


async def test_the_apps_own_failure_is_still_its_own(mount: Mount, site: Site) -> None:
    async def broken(receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise ZeroDivisionError

    gateway = await mount(App(broken))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(opened(gateway, site).call, SECONDS)
    assert gateway._gate is not None
    assert len(gateway._gate.watches) == 0


async def test_starlette_sees_a_disconnect(mount: Mount, site: Site, keys: ManageKeys) -> None:
    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    gateway = await mount(Starlette(routes=[WebSocketRoute("/socket", chat)]))
    socket = opened(gateway, site)
    socket.say("a")
    await socket.until("websocket.send", text="a")
    await keys.revoke(ACTOR, site.ids["reader"])
    await socket.until("websocket.close", **REVOKED)
    await asyncio.wait_for(socket.call, SECONDS)


async def test_a_caller_without_a_credential_has_none_that_could_end(mount: Mount, site: Site) -> None:
    routes = [{"id": "s", "path": "/socket", "websocket": True, "access": "public"}]
    gateway = await mount(App(echo), routes=routes)
    socket = OpenSocket(gateway, websocket_scope("/socket"))
    await socket.until("websocket.accept")
    assert gateway._gate is not None
    assert len(gateway._gate.watches) == 0
    socket.call.cancel()
    await asyncio.gather(socket.call, return_exceptions=True)


async def test_a_cancelled_call_leaves_no_watch(mount: Mount, site: Site) -> None:
    gateway = await mount(App(echo))
    socket = opened(gateway, site)
    await socket.until("websocket.accept")
    assert gateway._gate is not None
    assert len(gateway._gate.watches) == 1
    socket.call.cancel()
    await asyncio.gather(socket.call, return_exceptions=True)
    assert socket.call.cancelled()
    assert len(gateway._gate.watches) == 0
