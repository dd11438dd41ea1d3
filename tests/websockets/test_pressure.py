"""Slow, silent and hostile clients: what they send and do not read is not held for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.websockets.edges import Edge, until
from tests.websockets.upstream import Upstream

pytestmark = pytest.mark.slow

HANDSHAKES = int(os.environ.get("GATEWAY_AUTH_HANDSHAKES", "500"))
MESSAGES, MESSAGE_BYTES = 2500, 65_536
HELD_KILOBYTES = 24 * 1024
"""What may be on the way between the two ends; all messages are seven times that."""
HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
FRAMES = {
    "unmasked": b"\x81\x01a",
    "unknown opcode": b"\x83\x81\0\0\0\0a",
    "reserved bit": b"\xc1\x81\0\0\0\0a",
    "not UTF-8": b"\x81\x82\0\0\0\0\xff\xfe",
    "long ping": b"\x89\xfe\x00\x7e\0\0\0\0" + b"a" * 126,
    "ping in parts": b"\x09\x81\0\0\0\0a",
    "continues nothing": b"\x80\x81\0\0\0\0a",
    "text within text": b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b",
    "announced 2^63": b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    "close with 1005": b"\x88\x82\0\0\0\0\x03\xed",
    "half a close code": b"\x88\x81\0\0\0\0\x03",
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.fixture
def standalone(all_edges: tuple[Upstream, dict[str, Edge]]) -> Edge:
    """The gateway as it is shipped. uvicorn makes no sender wait for a slow client of a WebSocket."""
    return all_edges[1]["standalone"]


def kilobytes(edge: Edge) -> int:
    """Resident memory of its worker, now."""
    children = Path(f"/proc/{edge.pid}/task/{edge.pid}/children").read_text("ascii").split()
    pages = [int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in children]
    return max(pages) * os.sysconf("SC_PAGE_SIZE") // 1024


async def settled(count: Callable[[], int]) -> int:
    """The count, once it stays."""
    before = -1
    while (now := count()) != before:
        before = now
        await asyncio.sleep(0.5)
    return now


async def test_a_client_that_reads_slowly_makes_the_upstream_wait(standalone: Edge, upstream: Upstream) -> None:
    async with standalone.open("/ws/burst", max_queue=1) as client:
        before = kilobytes(standalone)
        await client.send(f"{MESSAGES} {MESSAGE_BYTES}")
        numbers = [int.from_bytes((await client.recv())[:4], "big")]  # type: ignore[arg-type]  # binary
        assert await settled(lambda: upstream.pushed) < MESSAGES // 2
        assert kilobytes(standalone) - before < HELD_KILOBYTES
        for _ in range(MESSAGES - 1):
            message = await client.recv()
            assert isinstance(message, bytes)
            numbers.append(int.from_bytes(message[:4], "big"))
        assert numbers == list(range(MESSAGES))
        assert kilobytes(standalone) - before < HELD_KILOBYTES


async def test_an_upstream_that_reads_slowly_makes_the_client_wait(standalone: Edge, upstream: Upstream) -> None:
    upstream.may_read.clear()
    sent = 0
    async with standalone.open("/ws/slow") as client:
        before = kilobytes(standalone)

        async def send() -> None:
            nonlocal sent
            for number in range(MESSAGES):
                await client.send(number.to_bytes(4, "big") + bytes(MESSAGE_BYTES - 4))
                sent += 1

        sending = asyncio.create_task(send())
        assert await settled(lambda: sent) < MESSAGES // 2
        assert kilobytes(standalone) - before < HELD_KILOBYTES
        upstream.may_read.set()
        for number in range(MESSAGES):
            message = await client.recv()
            assert isinstance(message, bytes)
            assert int.from_bytes(message[:4], "big") == number
        await sending
        assert kilobytes(standalone) - before < HELD_KILOBYTES


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
async def test_frames_that_are_none_reach_nobody(proxy: Edge, upstream: Upstream, frames: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(HANDSHAKE % b"/ws/echo")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    writer.write(frames)
    async with asyncio.timeout(30):
        await reader.read()
    writer.close()
    await until(lambda: bool(upstream.closes))
    assert upstream.messages == []


async def test_handshakes_that_are_refused_leave_nothing_behind(standalone: Edge, upstream: Upstream) -> None:
    async def refused(count: int) -> None:
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", standalone.port)
            writer.write(HANDSHAKE % b"/read/echo")
            assert (await reader.read()).startswith(b"HTTP/1.1 401")
            writer.close()

    await refused(50)
    before = kilobytes(standalone)
    await asyncio.gather(*(refused(HANDSHAKES // 10) for _ in range(10)))
    assert kilobytes(standalone) - before < 10 * 1024
    assert upstream.requests == []


async def test_handshakes_that_do_not_end_hold_up_nobody(standalone: Edge, upstream: Upstream) -> None:
    said_before = len(standalone.log.read_bytes())
    half = HANDSHAKE.partition(b"Connection")[0] % b"/ws/echo"
    writers = []
    for raw in [half] * 100 + [HANDSHAKE % b"/ws/hang"] * 50:
        _, writer = await asyncio.open_connection("127.0.0.1", standalone.port)
        writer.write(raw)
        writers.append(writer)
    await until(lambda: upstream.hanging == 50)
    async with standalone.open("/ws/echo") as client:
        await client.send("a")
        assert await client.recv() == "a"
    for writer in writers:
        writer.transport.abort()
    await until(lambda: upstream.hanging == 0)
    assert b"Traceback" not in standalone.log.read_bytes()[said_before:]
