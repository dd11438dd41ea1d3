"""WebSockets behind a handshake, by a real server of this process and clients that write frames themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from uvicorn.server import ServerState

from gateway_auth.asgi.types import Message, Receive, Scope, Send
from gateway_auth.server.http1.websocket import MAX_EARLY_BYTES, PIECE_BYTES
from gateway_auth.server.http1_server import http1_config

TEXT, PING = 0x1, 0x9
LARGE_BYTES = 32_000_000
FIELDS = (
    b"host: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
OPENED = b"HTTP/1.1 101 "


def handshake(path: str = "/echo", more: bytes = b"") -> bytes:
    return f"GET {path} HTTP/1.1\r\n".encode() + FIELDS + more + b"\r\n"


def frame(kind: int, data: bytes, *, is_last: bool = True) -> bytes:
    """Masked with zeros, which changes nothing."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return bytes([is_last << 7 | kind]) + length + bytes(4) + data


class App:
    """Echoes, refuses, or sends without end, as the path says. `gate` is waited for before a handshake is answered."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.has_begun = asyncio.Event()
        self.slow = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        self.has_begun.set()
        await self.gate.wait()
        if scope["path"] == "/refuse":
            await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"no"})
            return
        await send({"type": "websocket.accept"})
        if scope["path"] == "/slow":
            await self.slow.wait()
        if scope["path"] == "/large":
            await send({"type": "websocket.send", "bytes": b"x" * LARGE_BYTES})
        message: Message
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


class Site:
    """A listening server and its app."""

    def __init__(self, app: App, state: ServerState, port: int) -> None:
        self.app = app
        self.state = state
        self.port = port

    @asynccontextmanager
    async def client(self, data: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            async with asyncio.timeout(10):
                yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Site]:
    app, state, loop = App(), ServerState(), asyncio.get_running_loop()
    config = http1_config(app, max_connections=100, max_message_bytes=1_000_000)
    make = config.http_protocol_class
    server = await loop.create_server(lambda: make(config, state, {}, loop), "127.0.0.1", 0)  # type: ignore[call-arg]
    try:
        yield Site(app, state, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for each in list(state.connections):
            opened: Any = each
            (opened.transport if hasattr(opened, "transport") else opened._transport).abort()  # before a handshake
        app.gate.set()
        app.slow.set()
        config.http_protocol_class.__self__.close()  # type: ignore[attr-defined]
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def test_frames_behind_the_handshake_wait_until_it_is_answered() -> None:
    long = b"x" * 6000
    async with serving() as site:
        site.app.gate.clear()
        async with site.client(handshake() + frame(TEXT, long) + frame(TEXT, b"more")) as (reader, _):
            await site.app.has_begun.wait()
            site.app.gate.set()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(OPENED)
            assert await reader.readexactly(4 + len(long)) == b"\x81\x7e" + len(long).to_bytes(2) + long
            assert await reader.readexactly(6) == b"\x81\x04more"


@pytest.mark.parametrize(
    ("field", "instead"),
    [
        (b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"abc"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"\xff\xfe"),
        (b"sec-websocket-version: 13", b"sec-websocket-version: 12"),
        (b"host: h\r\n", b"host: h\r\nsec-websocket-version: 13\r\n"),
        (b"host: h\r\n", b"host: h\r\nsec-websocket-protocol: a,,b c\r\n"),
        (b"host: h\r\n", b"host: h\r\nupgrade: websocket\r\n"),
    ],
    ids=["no key", "short key", "key of other bytes", "version", "two versions", "protocols", "two upgrades"],
)
async def test_what_opens_no_websocket_is_refused_as_all_that_cannot_be_read(
    field: bytes, instead: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as site, site.client(handshake().replace(field, instead)) as (reader, _):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"\r\ncontent-type: application/problem+json\r\n" in head
        told = json.loads(body)
        assert (told["code"], told["status"]) == ("malformed_request", 400)
        assert b"\r\nx-request-id: " + told["request_id"].encode() in head
        assert not site.app.has_begun.is_set()
    assert "Traceback" not in caplog.text


async def test_the_answer_to_too_large_a_head_has_a_request_id() -> None:
    async with serving() as site, site.client(b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000) as (reader, _):
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\nx-request-id: ")
        assert b"\r\ncontent-length: 0\r\n" in answer


async def test_who_sends_on_without_an_answer_is_cut_off() -> None:
    async with serving() as site:
        site.app.gate.clear()
        async with site.client(handshake() + b"x" * 4 * MAX_EARLY_BYTES) as (reader, _):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)


@pytest.mark.parametrize("more", [b"x: y\r\n" * 150, b"x: " + b"y" * 9000 + b"\r\n"], ids=["fields", "line"])
async def test_a_handshake_past_the_bounds_of_its_reader_is_answered(more: bytes) -> None:
    async with serving() as site, site.client(handshake(more=more)) as (reader, _):
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_a_refused_handshake_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as site:
        async with site.client(handshake("/refuse")) as (reader, _):
            assert (await reader.read()).startswith(b"HTTP/1.1 403 ")
        await asyncio.gather(*site.state.tasks)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_frames_that_are_none_end_the_connection() -> None:
    async with serving() as site, site.client(handshake() + b"\xff\xff\xff\xff") as (reader, _):
        assert (await reader.read()).endswith((1002).to_bytes(2) + b"invalid opcode")


async def test_only_the_latest_ping_is_answered_to_a_client_that_reads_nothing() -> None:
    async with serving() as site, site.client(handshake("/large")) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        (protocol,) = site.state.connections
        while protocol.writable.is_set():  # type: ignore[union-attr]  # noqa: ASYNC110  # until the client is behind
            await asyncio.sleep(0.005)
        pings = [b"%d" % number for number in range(1000)]
        writer.write(b"".join(frame(PING, each) for each in pings))
        while protocol._owed != b"\x8a\x03999":  # type: ignore[union-attr]  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await reader.readexactly(10 + LARGE_BYTES)
        assert await reader.readexactly(5) == b"\x8a\x03999"


async def test_a_message_in_fragments_is_one_piece_at_all_times() -> None:
    async with serving() as site, site.client(handshake()) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        (protocol,) = site.state.connections
        writer.write(frame(TEXT, b"a", is_last=False) + 1000 * frame(0, b"", is_last=False))
        writer.write(frame(0, b"b", is_last=False) + frame(PING, b""))
        assert await reader.readexactly(2) == b"\x8a\x00"
        assert protocol.frames == [b"ab"]  # type: ignore[union-attr]
        writer.write(frame(0, b"c"))
        assert await reader.readexactly(5) == b"\x81\x03abc"


async def test_a_flood_of_small_frames_is_read_piece_by_piece() -> None:
    """What is not read waits in the system's buffers; no more is held than one read brings."""
    count = 100_000
    async with serving() as site, site.client(handshake("/slow")) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        (protocol,) = site.state.connections
        flood = asyncio.create_task(_send(writer, frame(TEXT, b"x") * count))
        async with asyncio.timeout(10):
            while not protocol.read_paused:  # type: ignore[union-attr]  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.001)
        assert protocol.queue.qsize() <= PIECE_BYTES // 7 + 1  # type: ignore[union-attr]
        assert len(protocol._unread) <= 262_144  # type: ignore[union-attr]  # what one read of the loop brings
        site.app.slow.set()
        assert await reader.readexactly(3 * count) == b"\x81\x01x" * count
        await flood


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def test_a_client_that_sends_too_much_reads_why() -> None:
    async with serving() as site, site.client(handshake()) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        size = 5_000_000
        writer.write(b"\x81\xff" + size.to_bytes(8) + bytes(4))
        for _ in range(5):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
        said = await reader.read()
        assert (said[0], int.from_bytes(said[2:4])) == (0x88, 1009)
