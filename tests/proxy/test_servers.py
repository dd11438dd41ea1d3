"""The proxy inside the servers it is run by: what really arrives at a client and at an upstream."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from pathlib import Path

import pytest

from tests.proxy.servers import SERVERS, serving
from tests.proxy.upstreams import OK, Upstream, Wire

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("server", SERVERS)]

GET = b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEASURED = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
SIZE = 50 * 1024 * 1024
PIECE = hashlib.sha256(b"seed").digest() * 2048  # 64 KiB
# Far below the 50 MiB that pass, far above what buffers and allocators may take.
GROWTH_KILOBYTES = 20 * 1024


async def test_requests_of_every_kind_pass(server: str, tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        while True:
            seen = await wire.read_request()
            body = b"" if seen.line.startswith(b"HEAD") else b"%b %d" % (seen.line[:3], len(seen.body))
            await wire.play(b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\n" + body)

    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log") as gateway:
        session = await gateway.open()
        answers = []
        for raw in (
            GET,
            GET.replace(b"GET", b"HEAD"),
            b"PUT /a%20b?x=%2f HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\r\nabc",
            b"PUT /c HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"PUT /e HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
            GET,
        ):
            await session.send(raw)
            answers.append(await asyncio.wait_for(session.answer(is_to_head=raw.startswith(b"HEAD")), 5))
        await session.leave()
    assert [answer.body for answer in answers] == [b"GET 0", b"", b"PUT 3", b"PUT 3", b"PUT 3", b"GET 0"]
    assert all(answer.headers["content-length"] == "5" for answer in answers)
    assert [seen.values("transfer-encoding") for seen in upstream.seen] == [[], [], [], [b"chunked"], [], []]
    assert [seen.line for seen in upstream.seen][2] == b"PUT /a%20b?x=%2f HTTP/1.1"
    assert all(seen.values("x-auth-subject") == [b"app-1"] for seen in upstream.seen)
    assert len(upstream.wires) == 1


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MEASURED + b"half", "close"),
        (MEASURED + b"half", "reset"),
        (CHUNKED + b"4\r\nhalf\r\n", "close"),
        (CHUNKED + b"4\r\nhalf\r\n", "reset"),
        (CHUNKED + b"4\r\nhalf\r\n", "nonsense"),
        (b"HTTP/1.1 200 OK\r\n\r\nhalf", "reset"),
        (MEASURED + b"half", "stall"),
    ],
)
async def test_an_answer_that_breaks_off_never_looks_complete(
    server: str, tmp_path: Path, start: bytes, end: str
) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(start)
        await asyncio.sleep(0.05)
        if end == "reset":
            wire.reset()
        elif end == "nonsense":
            await wire.play(b"nonsense\r\n")
        elif end == "stall":
            await wire.closed()

    limits = '{"idle_timeout_seconds": 0.3}'
    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log", limits) as gateway:
        answer = await gateway.ask(GET)
    assert (answer.status, answer.is_whole) == (200, False)


async def test_an_upstream_out_of_reach_is_answered_502_and_a_silent_one_504(server: str, tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.closed()

    limits = '{"response_timeout_seconds": 0.3}'
    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log", limits) as gateway:
        silent = await gateway.ask(GET)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with serving(server, url, tmp_path / "log") as gateway:
            refused = await gateway.ask(GET)
    assert (silent.status, silent.body) == (504, b"upstream_timeout req-1")
    assert (refused.status, refused.body) == (502, b"upstream_unavailable req-1")


async def test_events_and_even_the_head_before_them_arrive_at_once(server: str, tmp_path: Path) -> None:
    go = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(CHUNKED)
        for number in range(3):
            await go.wait()
            go.clear()
            await wire.play(b"9\r\ndata: %d\n\n\r\n" % number)
        await wire.play(b"0\r\n\r\n")

    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log") as gateway:
        session = await gateway.open()
        await session.send(GET)
        async with asyncio.timeout(10):
            status, _ = await session.head()
            events = []
            for _ in range(3):
                go.set()
                events.append(await session.chunk())
            end = await session.chunk()
        await session.leave()
    assert (status, events, end) == (200, [b"data: %d\n\n" % number for number in range(3)], b"")


@pytest.mark.parametrize("moment", ["waiting", "streaming", "sending"])
async def test_a_client_that_leaves_ends_the_upstreams_work(server: str, tmp_path: Path, moment: str) -> None:
    arrived = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_head()
        arrived.set()
        if moment == "streaming":
            await wire.play(CHUNKED)
            while True:
                await wire.play(b"1\r\na\r\n")
                await asyncio.sleep(0.02)
        await wire.closed()

    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log") as gateway:
        session = await gateway.open()
        await session.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc" if moment == "sending" else GET
        )
        await asyncio.wait_for(arrived.wait(), 5)
        if moment == "streaming":
            await session.head()
            await session.chunk()
        await session.leave()
        await asyncio.wait_for(upstream.wires[0].over.wait(), 5)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("framing", ["measured", "chunked"])
async def test_50_megabytes_come_down_whole_and_flat(server: str, tmp_path: Path, framing: str) -> None:
    async def script(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await wire.play(
                CHUNKED if framing == "chunked" else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE
            )
            for _ in range(SIZE // len(PIECE)):
                await wire.play(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if framing == "chunked" else PIECE)
            if framing == "chunked":
                await wire.play(b"0\r\n\r\n")

    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log") as gateway:
        before = await gateway.peak_kilobytes()
        session = await gateway.open()
        await session.send(GET)
        _, fields = await session.head()
        digest, size = hashlib.sha256(), 0
        async with asyncio.timeout(30):
            if "content-length" in fields:
                while size < SIZE:
                    data = await session.reader.read(1 << 18)
                    digest.update(data)
                    size += len(data)
            else:
                while data := await session.chunk():
                    digest.update(data)
                    size += len(data)
        await session.leave()
        growth = await gateway.peak_kilobytes() - before
    assert (size, digest.digest()) == (SIZE, expected())
    assert growth < GROWTH_KILOBYTES


@pytest.mark.parametrize("framing", ["measured", "chunked"])
async def test_50_megabytes_go_up_whole_and_flat(server: str, tmp_path: Path, framing: str) -> None:
    digest = hashlib.sha256()

    async def script(wire: Wire) -> None:
        seen = await wire.read_head()
        left = SIZE
        if seen.values("transfer-encoding"):
            while size := int(await wire.reader.readuntil(b"\r\n"), 16):
                digest.update((await wire.reader.readexactly(size + 2))[:-2])
        while seen.values("content-length") and left:
            data = await wire.reader.read(1 << 16)
            digest.update(data)
            left -= len(data)
        await wire.play(OK)
        await wire.closed()

    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log") as gateway:
        before = await gateway.peak_kilobytes()
        session = await gateway.open()
        chunked = framing == "chunked"
        field = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
        await session.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n")
        async with asyncio.timeout(30):
            for _ in range(SIZE // len(PIECE)):
                await session.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            if chunked:
                await session.send(b"0\r\n\r\n")
            answer = await session.answer()
        await session.leave()
        growth = await gateway.peak_kilobytes() - before
    assert (answer.status, answer.body, digest.digest()) == (200, b"ok", expected())
    assert growth < GROWTH_KILOBYTES


def expected() -> bytes:
    digest = hashlib.sha256()
    for _ in range(SIZE // len(PIECE)):
        digest.update(PIECE)
    return digest.digest()


async def test_an_answer_before_the_body_is_finished_reaches_the_client(server: str, tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_head()
        await wire.play(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await wire.closed()

    async with Upstream(script) as upstream, serving(server, upstream.url, tmp_path / "log") as gateway:
        answer = await gateway.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
        await asyncio.wait_for(upstream.wires[0].over.wait(), 5)
    assert (answer.status, answer.body, answer.is_whole) == (413, b"no", True)
