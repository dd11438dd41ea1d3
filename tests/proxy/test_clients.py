"""What becomes of the upstream when a client leaves or does not read."""

from __future__ import annotations

import asyncio

import pytest

from tests.proxy.asgi_client import QUICK, Client, proxy, scope_of, until
from tests.proxy.upstreams import OK, Upstream, Wire, always


async def test_a_client_that_leaves_ends_the_upstreams_work() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.closed()

    async with Upstream(script) as upstream:
        client = Client(pieces=[b""])
        app = proxy(upstream.url)
        running = asyncio.create_task(app(scope_of(), client.receive, client.send))
        await until(lambda: len(upstream.seen) == 1)
        client.has_left.set()
        await asyncio.wait_for(running, 5)
        await upstream.wires[0].ended()
    assert client.status == 0


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
async def test_a_client_that_leaves_in_the_middle_of_an_answer_ends_it(framing: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n1\r\na\r\n".encode())
        await wire.closed()

    async with Upstream(script) as upstream:
        client = Client(pieces=[b""])
        app = proxy(upstream.url)
        running = asyncio.create_task(app(scope_of(), client.receive, client.send))
        await until(lambda: client.body != b"")
        client.has_left.set()
        await asyncio.wait_for(running, 5)
        await upstream.wires[0].ended()
    assert not client.is_complete


async def test_a_client_that_leaves_while_sending_ends_the_upstreams_work() -> None:
    async with Upstream(always(OK)) as upstream:
        client = Client(pieces=[b"x"], is_endless=True)
        scope = scope_of("POST", headers=[("content-length", "1000")])
        running = asyncio.create_task(proxy(upstream.url)(scope, client.receive, client.send))
        await until(lambda: len(upstream.wires) == 1)
        client.has_left.set()
        await asyncio.wait_for(running, 5)
        await upstream.wires[0].ended()
    # Servers report a departed client and broken chunks alike, so an answer is tried.
    assert (client.status, client.body) == (400, b"malformed_request req-1")


async def test_a_client_that_does_not_read_makes_the_upstream_wait() -> None:
    piece = bytes(65_536)
    total = 64 * 1024 * 1024
    written = 0

    async def script(wire: Wire) -> None:
        nonlocal written
        await wire.read_request()
        await wire.play(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while written < total:
            await wire.play(piece)
            written += len(piece)

    async with Upstream(script) as upstream:
        client = Client(pieces=[b""])
        running = asyncio.create_task(proxy(upstream.url)(scope_of(), client.receive, client.send))
        await until(lambda: client.body_bytes > 0)
        client.may_take.clear()
        await asyncio.sleep(0.3)
        stalled = written - client.body_bytes
        await asyncio.sleep(0.1)
        assert written - client.body_bytes == stalled < 16 * 1024 * 1024
        client.may_take.set()
        await asyncio.wait_for(running, 20)
    assert (written, client.is_complete) == (total, True)


async def test_a_client_that_never_reads_again_does_not_hold_the_connection() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await wire.closed()

    async with Upstream(script) as upstream:
        client = Client(pieces=[b""])
        client.may_take.clear()
        running = asyncio.create_task(proxy(upstream.url, QUICK)(scope_of(), client.receive, client.send))
        await until(lambda: len(upstream.wires) == 1)
        await upstream.wires[0].ended()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert client.status == 0
