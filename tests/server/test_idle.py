"""Connections on which nothing happens are closed; those with a request under way are not."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from gateway_auth.asgi.types import Receive, Scope, Send
from gateway_auth.server.idle import IdleConnections, connections

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux is asked")


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    over = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await over.wait()

    listener = socket.create_server(("127.0.0.1", 0))
    clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
    accepted = [listener.accept()[0] for _ in clients]
    watched = IdleConnections(app, listener.getsockname(), idle_seconds=0.3)
    host, port = clients[0].getsockname()
    request = asyncio.create_task(watched({"type": "http", "client": (host, str(port))}, _never, _ignore))
    lifespan = asyncio.create_task(watched({"type": "lifespan"}, _never, _ignore))
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(clients[1].recv, 1) == b"", "the idle one"
    clients[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        clients[0].recv(1)
    over.set()
    await asyncio.gather(request, lifespan)
    clients[0].setblocking(True)
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(clients[0].recv, 1) == b"", "idle by now"
    for each in (*clients, *accepted, listener):
        each.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
def test_whatever_address_it_listens_on(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            copies = [copy for copy, _ in connections(listener.getsockname())]
            assert len(copies) == 1
            copies[0].close()


def test_only_connections_of_the_listener_are_looked_at_and_the_copies_are_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            found = list(connections(listener.getsockname()))
            assert [peer for _, peer in found] == [("127.0.0.1", str(client.getsockname()[1]))]
            for copy, _ in found:
                copy.close()


async def _never() -> dict[str, str]:
    raise AssertionError


async def _ignore(message: object) -> None:
    return
