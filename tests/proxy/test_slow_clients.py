"""Clients that send or take next to nothing: what they hold, and that nobody else waits for them."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth.core.upstream import UpstreamLimits
from gateway_auth.proxy import ProxyApp
from tests.proxy.asgi_client import QUICK, Client, ask, proxy, scope_of, until
from tests.proxy.upstreams import OK, Upstream, Wire, always

MEASURED = ("content-length", "100000")
CHUNKED = ("transfer-encoding", "chunked")


class SlowClient(Client):
    """Sends one byte, and nothing more while `holds_on`."""

    def start(self, app: ProxyApp, framing: tuple[str, str] = MEASURED) -> asyncio.Task[None]:
        """Its request, under way."""
        scope = scope_of("POST", headers=[framing])
        return asyncio.create_task(app(scope, self.receive, self.send))


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel what is left."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("framing", [MEASURED, CHUNKED], ids=["measured", "chunked"])
async def test_a_promised_body_that_never_comes_is_refused_and_reaches_nobody(framing: tuple[str, str]) -> None:
    async with Upstream(always(OK)) as upstream:
        client = SlowClient(pieces=[], is_endless=True)
        await asyncio.wait_for(client.start(proxy(upstream.url, QUICK), framing), 10)
    assert (client.status, client.body, upstream.wires) == (400, b"malformed_request req-1", [])


async def test_an_app_that_is_cancelled_while_it_reads_a_body_stays_cancelled() -> None:
    async with Upstream(always(OK)) as upstream:
        client = SlowClient(pieces=[], is_endless=True)
        task = client.start(proxy(upstream.url))
        await until(lambda: client.receives > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert client.status == 0


@pytest.mark.parametrize("framing", [MEASURED, CHUNKED], ids=["measured", "chunked"])
async def test_bodies_that_trickle_take_half_of_the_connections_at_most(framing: tuple[str, str]) -> None:
    async def script(wire: Wire) -> None:
        while True:
            if (await wire.read_head()).values("x-quick"):
                await wire.play(OK)
            else:
                await wire.closed()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(max_connections=8))
        clients = [SlowClient(pieces=[b"x"], is_endless=True) for _ in range(50)]
        tasks = [client.start(app, framing) for client in clients]
        await until(lambda: len(upstream.seen) == 4 and all(client.receives > 1 for client in clients))
        answers = await asyncio.gather(*(ask(app, headers=[("x-quick", "1")]) for _ in range(20)))
        small = await ask(app, "POST", headers=[("x-quick", "1"), ("content-length", "0")])
        await ended(tasks)
    assert {answer.status for answer in (*answers, small)} == {200}
    assert sum(not seen.values("x-quick") for seen in upstream.seen) == 4


async def test_a_large_body_that_comes_quickly_gets_a_connection_of_the_other_half() -> None:
    async def script(wire: Wire) -> None:
        seen = await wire.read_head()
        if seen.values("x-quick"):
            await wire.reader.readexactly(int(seen.values("content-length")[0]))
            await wire.play(OK)
        await wire.closed()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(max_connections=2))
        slow = SlowClient(pieces=[b"x"], is_endless=True)
        task = slow.start(app)
        await until(lambda: len(upstream.seen) == 1)
        size = ("content-length", str(40 * 10_000))
        got = await ask(app, "POST", headers=[size, ("x-quick", "1")], pieces=[bytes(10_000)] * 40)
        await ended([task])
    assert got.status == 200


async def test_whoever_sends_slowly_loses_its_connection_to_those_who_wait() -> None:
    async def script(wire: Wire) -> None:
        while True:
            if (await wire.read_head()).line.startswith(b"POST"):
                await wire.closed()
            await wire.play(OK)

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(max_connections=1))
        slow = SlowClient(pieces=[b"x" * 70_000, b"x"], is_endless=True)
        task = slow.start(app)
        await until(lambda: len(upstream.seen) == 1)
        assert (await ask(app)).status == 200
        await task
    assert (slow.status, slow.body) == (400, b"malformed_request req-1")


async def test_a_client_that_nobody_waits_for_may_take_its_time() -> None:
    async with Upstream(always(OK)) as upstream:
        client = Client(pieces=[b"x"] * 6)

        async def receive() -> dict[str, object]:
            await asyncio.sleep(0.3)
            return dict(await client.receive())

        scope = scope_of("POST", headers=[("content-length", "6")])
        app = proxy(upstream.url, UpstreamLimits(max_connections=2))
        await asyncio.wait_for(app(scope, receive, client.send), 10)
    assert (client.status, upstream.seen[0].body) == (200, b"x" * 6)
