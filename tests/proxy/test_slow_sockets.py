"""Many clients that stop in the middle of a head or body, and a good one beside them.

`GATEWAY_AUTH_SLOW_SOCKETS` says how many; what a run measured is printed, never asserted.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.proxy.asgi_client import until
from tests.proxy.servers import SERVERS, Gateway, Session, serving
from tests.proxy.upstreams import OK, Upstream, Wire

pytestmark = pytest.mark.slow

SOCKETS = int(os.environ.get("GATEWAY_AUTH_SLOW_SOCKETS", "100"))
REQUESTS = int(os.environ.get("GATEWAY_AUTH_GOOD_REQUESTS", "300"))
CONNECTIONS = 16
LIMITS = f'{{"max_connections": {CONNECTIONS}}}'
GET = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n"
BEGINNINGS = (
    (b"GET /slow HTTP/1.1\r\nHost: a\r\nX-", b"a"),
    (b"", b"G"),
    (b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"x"),
    (b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
)


async def script(wire: Wire) -> None:
    while True:
        if (await wire.read_head()).line.startswith(b"POST"):
            await wire.closed()
            return
        await wire.play(OK)


async def ask(session: Session) -> float:
    """Seconds that one good request took."""
    started = time.perf_counter()
    await session.send(GET)
    answer = await asyncio.wait_for(session.answer(), 30)
    assert (answer.status, answer.body, answer.is_whole) == (200, b"ok", True)
    return time.perf_counter() - started


async def begin(gateway: Gateway, number: int) -> Session:
    """A slow one: a beginning, and a little more."""
    session = await gateway.open()
    start, more = BEGINNINGS[number % len(BEGINNINGS)]
    await session.send(start + more)
    return session


async def trickle(sessions: list[Session]) -> None:
    """A little from each of them, again and again."""
    while True:
        for number, session in enumerate(sessions):
            start, more = BEGINNINGS[number % len(BEGINNINGS)]
            if start and not session.writer.is_closing():
                await session.send(more)
            await asyncio.sleep(5 / len(sessions))


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1000


@pytest.mark.parametrize("server", SERVERS)
async def test_a_good_client_is_served_beside_any_number_of_slow_ones(server: str, tmp_path: Path) -> None:
    async with (
        Upstream(script) as upstream,
        serving(server, upstream.url, tmp_path / "log", LIMITS) as gateway,
    ):
        good = await gateway.open()
        alone = [await ask(good) for _ in range(REQUESTS)]
        slow = [await begin(gateway, number) for number in range(SOCKETS)]
        await until(lambda: any(seen.line.startswith(b"POST") for seen in upstream.seen))
        trickling = asyncio.create_task(trickle(slow))
        beside = [await ask(good) for _ in range(REQUESTS)]
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)
        held = sum(seen.line.startswith(b"POST") for seen in upstream.seen)
        for session in (*slow, good):
            await session.leave()
    print(f"{server}: p99 alone {p99(alone):.2f} ms, beside {SOCKETS} slow {p99(beside):.2f} ms")  # noqa: T201
    assert 0 < held <= CONNECTIONS // 2
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("server", SERVERS)
async def test_a_body_that_is_promised_and_never_comes_is_refused(server: str, tmp_path: Path) -> None:
    limits = '{"idle_timeout_seconds": 0.3}'
    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log", limits) as gateway:
        for framing in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
            answer = await gateway.ask(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
            assert (answer.status, answer.body) == (400, b"malformed_request req-1")
        assert upstream.wires == []
    assert "Traceback" not in (tmp_path / "log").read_text()
