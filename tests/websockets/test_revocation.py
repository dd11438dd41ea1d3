"""An open WebSocket whose credential ends is closed, and nothing passes it any more; on every way in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.asgi.world import ACTOR
from tests.websockets.edges import PROXIES, Edge, Managed, closed, until
from tests.websockets.upstream import Upstream

pytestmark = pytest.mark.slow

SOCKETS = 200
ON_GRANIAN = ("mounted-granian",)
CUT = (1006, "")
"""Granian drops the connection behind its close: who goes on talking may meet the reset before it has read that."""
Change = Callable[[Managed, str], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "credential_disabled": lambda managed, key: managed.keys.disable(ACTOR, key),
    "credential_revoked": lambda managed, key: managed.keys.revoke(ACTOR, key),
    "invalid_credential": lambda managed, key: managed.keys.delete(ACTOR, key),
    "insufficient_scope": lambda managed, key: managed.keys.update(ACTOR, key, KeyFields(scopes=["orders:write"])),
    "network_not_allowed": lambda managed, key: managed.keys.update(
        ACTOR, key, KeyFields(deny_networks=["127.0.0.0/8"])
    ),
}


async def test_every_change_of_a_key_closes_its_idle_socket_and_no_other(edge: Edge, upstream: Upstream) -> None:
    said_before = len(edge.log.read_bytes())
    async with edge.management() as managed, AsyncExitStack() as stack:
        other = await stack.enter_async_context(edge.open("/read/echo", edge.site.keys["reader"]))
        clients = {}
        for reason, change in CHANGES.items():
            key, key_id = await managed.key(scopes=["orders:read"])
            clients[reason] = await stack.enter_async_context(edge.open("/read/echo", key))
            await talks(clients[reason])
            await change(managed, key_id)
        said = {reason: await closed(client) for reason, client in clients.items()}
        assert said == {reason: (1008, reason) for reason in CHANGES}
        await talks(other)
        if edge.name in PROXIES:
            await until(lambda: {(1008, reason) for reason in CHANGES} <= set(upstream.closes))
    assert b"Traceback" not in edge.log.read_bytes()[said_before:]


async def test_nothing_passes_while_frames_flow(edge: Edge, upstream: Upstream) -> None:
    """Revoked by the command line."""
    async with edge.management() as managed, AsyncExitStack() as stack:
        key, key_id = await managed.key()
        clients = [await stack.enter_async_context(edge.open(path, key)) for path in ("/ws/push", "/ws/echo")]

        async def talk() -> None:
            while True:
                await clients[1].send("x")
                await asyncio.sleep(0.001)

        talking = asyncio.create_task(talk())
        await clients[0].recv()
        await clients[1].recv()
        await asyncio.to_thread(edge.manage, "keys", "revoke", key_id)
        quiet, talkative = await asyncio.gather(*map(closed, clients))
        assert quiet == (1008, "credential_revoked")
        assert talkative == quiet or (edge.name in ON_GRANIAN and talkative == CUT)
        with pytest.raises(ConnectionClosed):
            await talking
    await until(lambda: upstream.open == 0)


async def test_what_ends_by_itself_closes_what_it_opened(edge: Edge) -> None:
    async with edge.management() as managed:
        key, _ = await managed.key(expires_in="2s")
        granted, key_id = await managed.key()
        await managed.keys.grant(ACTOR, key_id, "orders:read", "2s")
        async with edge.open("/ws/echo", key) as client, edge.open("/read/echo", granted) as reader:
            await talks(client)
            await talks(reader)
            assert await closed(client) == (1008, "credential_expired")
            assert await closed(reader) == (1008, "insufficient_scope")


async def test_an_app_that_is_disabled_closes_all_its_sockets_and_comes_back(edge: Edge) -> None:
    async with edge.management() as managed, AsyncExitStack() as stack:
        app = (await managed.apps.create(ACTOR, AppFields(name="crowd"))).id
        keys = [(await managed.key(app))[0] for _ in range(3)]
        clients = [await stack.enter_async_context(edge.open("/ws/echo", key)) for key in keys]
        await managed.apps.disable(ACTOR, app)
        assert [await closed(client) for client in clients] == [(1008, "credential_disabled")] * 3
        await until_refused(edge, keys[0])
        await managed.apps.enable(ACTOR, app)
        async with await opened(edge, keys[0]):
            pass


async def talks(client: ClientConnection) -> None:
    """It is open, both ways."""
    await client.send("a")
    assert await asyncio.wait_for(client.recv(), 30) == "a"


async def until_refused(edge: Edge, key: str) -> None:
    """A new one is refused like any request."""
    with pytest.raises(InvalidStatus):
        async with edge.open("/ws/echo", key):
            pass


async def opened(edge: Edge, key: str) -> AsyncExitStack:
    """As soon as it is let in again."""
    while True:
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(edge.open("/ws/echo", key))
                return stack.pop_all()
        except InvalidStatus:
            await asyncio.sleep(0.05)


async def test_one_revocation_closes_two_hundred_sockets(edge: Edge, upstream: Upstream) -> None:
    async with edge.management() as managed, AsyncExitStack() as stack:
        key, key_id = await managed.key()
        clients = [await stack.enter_async_context(edge.open("/ws/echo", key)) for _ in range(SOCKETS)]
        other = await stack.enter_async_context(edge.open("/ws/echo", edge.site.keys["reader"]))
        await managed.keys.revoke(ACTOR, key_id)
        said = await asyncio.gather(*(closed(client) for client in clients))
        assert said == [(1008, "credential_revoked")] * SOCKETS
        await talks(other)
    await until(lambda: upstream.open == 0)


async def test_a_client_that_does_not_read_cannot_keep_the_upstream(proxy: Edge, upstream: Upstream) -> None:
    async with proxy.management() as managed:
        key, key_id = await managed.key()
        async with proxy.open("/ws/push", key, max_queue=1) as client:
            await client.recv()
            client.transport.pause_reading()
            await managed.keys.revoke(ACTOR, key_id)
            await until(lambda: upstream.open == 0)
            client.transport.abort()
    assert (1008, "credential_revoked") in upstream.closes


async def test_a_route_in_shadow_mode_closes_nothing(edge: Edge) -> None:
    async with edge.management() as managed:
        key, key_id = await managed.key()
        async with edge.open("/shadow/echo", key) as shadowed, edge.open("/ws/echo", key) as client:
            await managed.keys.revoke(ACTOR, key_id)
            assert await closed(client) == (1008, "credential_revoked")
            await talks(shadowed)
