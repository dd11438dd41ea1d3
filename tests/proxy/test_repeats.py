"""When a request is sent a second time, and when never."""

from __future__ import annotations

import pytest

from tests.proxy.asgi_client import ask, proxy
from tests.proxy.upstreams import OK, Script, Upstream, Wire


def stale(*, says: bytes = b"", resets: bool = False) -> Script:
    """The first connection dies under its second request; later ones work."""

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(OK)
        await wire.read_request()
        if wire.number == 0:
            await wire.play(says)
            if resets:
                wire.reset()
            return
        await wire.play(OK)

    return script


@pytest.mark.parametrize("resets", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_an_idempotent_request_on_a_stale_connection_is_sent_once_more(method: str, resets: bool) -> None:
    async with Upstream(stale(resets=resets)) as upstream:
        app = proxy(upstream.url)
        await ask(app)
        again = await ask(app, method)
    assert (again.status, len(upstream.wires), len(upstream.seen)) == (200, 2, 3)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_any_other_request_is_never_sent_twice(method: str) -> None:
    async with Upstream(stale()) as upstream:
        app = proxy(upstream.url)
        await ask(app)
        again = await ask(app, method)
    assert (again.status, len(upstream.wires), len(upstream.seen)) == (502, 1, 2)


async def test_a_request_with_a_body_is_never_sent_twice() -> None:
    async with Upstream(stale()) as upstream:
        app = proxy(upstream.url)
        await ask(app)
        again = await ask(app, "PUT", "/", [("content-length", "1")], pieces=[b"x"])
    assert (again.status, len(upstream.seen)) == (502, 2)


async def test_once_the_upstream_has_said_anything_nothing_is_sent_twice() -> None:
    async with Upstream(stale(says=b"H")) as upstream:
        app = proxy(upstream.url)
        await ask(app)
        again = await ask(app)
    assert (again.status, len(upstream.seen)) == (502, 2)


async def test_on_a_fresh_connection_nothing_is_sent_twice() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()

    async with Upstream(script) as upstream:
        got = await ask(proxy(upstream.url))
    assert (got.status, len(upstream.seen)) == (502, 1)


async def test_the_second_attempt_is_the_last() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        if wire.number == 0:
            await wire.play(OK)
            await wire.read_request()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        await ask(app)
        again = await ask(app)
    assert (again.status, len(upstream.seen)) == (502, 3)
