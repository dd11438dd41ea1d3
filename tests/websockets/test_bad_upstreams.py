"""Upstreams that answer a handshake wrongly, or break the protocol after it: the client is told what fits."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.types import Scope

from gateway_auth.core.upstream import UpstreamLimits
from gateway_auth.proxy import ProxyApp, handshake
from tests.asgi.open_socket import SECONDS, OpenSocket
from tests.proxy.asgi_client import Judged, proxy

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LIMITS = UpstreamLimits(connect_timeout_seconds=2)
MAX_MESSAGE_BYTES = 1000
GOOD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"


def websocket_scope(**changes: object) -> Scope:
    """A judged handshake, of a server that can carry an answer in its place."""
    scope: Scope = {
        "type": "websocket", "scheme": "ws", "http_version": "1.1", "path": "/socket", "raw_path": b"/socket",
        "query_string": b"", "root_path": "", "client": ("192.0.2.7", 5000), "subprotocols": [],
        "headers": [(b"host", b"api.test")], "extensions": {"websocket.http.response": {}}, "gateway_auth": Judged(),
    }  # fmt: skip
    return {**scope, **changes}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long here."""
    monkeypatch.setattr(handshake, "HANDSHAKE_SECONDS", 0.5)


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes], *, hangs_up: bool = True) -> AsyncIterator[ProxyApp]:
    """A proxy before an upstream that answers every handshake with bytes made of its accept key."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # a connection that was opened and not used
            writer.close()
            return
        key = re.search(rb"sec-websocket-key: (\S+)", head)
        assert key is not None
        writer.write(answer(base64.b64encode(hashlib.sha1(key[1] + GUID).digest())))
        try:
            await writer.drain()
            if not hangs_up:
                await reader.read()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    app = proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", LIMITS, max_message_bytes=MAX_MESSAGE_BYTES)
    try:
        yield app
    finally:
        server.close()
        await app.aclose()


def good(*more: bytes, then: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda accept: GOOD % accept + b"".join(field + b"\r\n" for field in more) + b"\r\n" + then


def bad(text: bytes) -> Callable[[bytes], bytes]:
    return lambda _: text


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(bad(GOOD % b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=" + b"\r\n"), id="wrong accept"),
        pytest.param(lambda accept: GOOD % accept * 2 + b"\r\n", id="head twice"),
        pytest.param(good(b"Sec-WebSocket-Accept: x"), id="accept twice"),
        pytest.param(lambda accept: (GOOD % accept).replace(b"Upgrade: websocket", b"X: y") + b"\r\n", id="no upgrade"),
        pytest.param(lambda accept: (GOOD % accept).replace(b"websocket", b"h2c") + b"\r\n", id="other upgrade"),
        pytest.param(good(b"Sec-WebSocket-Protocol: chat"), id="protocol nobody asked for"),
        pytest.param(good(b"Sec-WebSocket-Extensions: permessage-deflate"), id="extension nobody asked for"),
        pytest.param(bad(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), id="200"),
        pytest.param(bad(b"HTTP/1.1 103 Early Hints\r\n\r\n"), id="103"),
        pytest.param(bad(b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nshort"), id="truncated refusal"),
        pytest.param(
            bad(b"HTTP/1.1 401 No\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000), id="endless refusal"
        ),
        pytest.param(bad(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), id="no status"),
        pytest.param(bad(b"HTTP/1.1 101 X\r\n\xe9: 1\r\n\r\n"), id="no field name"),
        pytest.param(bad(b"SSH-2.0-OpenSSH_9.6\r\n"), id="not HTTP"),
        pytest.param(bad(b"HTTP/1.1 101 X\r\nA: " + b"x" * 100_000), id="endless field"),
        pytest.param(bad(b"HTTP/1.1 101 X\r\n" + b"A: b\r\n" * 5000), id="endless fields"),
        pytest.param(bad(b""), id="nothing"),
    ],
)
async def test_a_handshake_that_is_none_is_a_bad_gateway(answer: Callable[[bytes], bytes]) -> None:
    async with answering(answer) as app:
        socket = OpenSocket(app, websocket_scope())
        await asyncio.wait_for(socket.call, SECONDS)
        assert [message["type"] for message in socket.sent] == [
            "websocket.http.response.start", "websocket.http.response.body",
        ]  # fmt: skip
        assert socket.sent[0]["status"] == 502


async def test_no_answer_in_time_is_a_timeout() -> None:
    async with answering(bad(b"HTTP/1.1 101"), hangs_up=False) as app:
        socket = OpenSocket(app, websocket_scope())
        await asyncio.wait_for(socket.call, SECONDS)
        assert socket.sent[0]["status"] == 504


async def test_nobody_listening_is_a_bad_gateway() -> None:
    socket = OpenSocket(proxy("http://127.0.0.1:1", LIMITS, max_message_bytes=MAX_MESSAGE_BYTES), websocket_scope())
    await asyncio.wait_for(socket.call, SECONDS)
    assert socket.sent[0]["status"] == 502


async def test_a_server_that_can_carry_no_answer_refuses_in_its_own_way() -> None:
    socket = OpenSocket(
        proxy("http://127.0.0.1:1", LIMITS, max_message_bytes=MAX_MESSAGE_BYTES), websocket_scope(extensions={})
    )
    await asyncio.wait_for(socket.call, SECONDS)
    assert socket.sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param(b"\x81\x81\0\0\0\0a", 1011, id="masked"),
        pytest.param(b"\x83\x01a", 1011, id="unknown opcode"),
        pytest.param(b"\xc1\x01a", 1011, id="reserved bit"),
        pytest.param(b"\x81\x02\xff\xfe", 1011, id="not UTF-8"),
        pytest.param(b"\x80\x01a", 1011, id="continues nothing"),
        pytest.param(b"\x89\x7e\x00\x7e" + b"x" * 126, 1011, id="long ping"),
        pytest.param(b"\x82\x7e\x03\xe9" + b"x" * 1001, 1009, id="too long"),
        pytest.param(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 1009, id="announced too long"),
        pytest.param(b"\x02\x7e\x03\x00" + b"x" * 768 + b"\x80\x7e\x03\x00" + b"x" * 768, 1009, id="too long in parts"),
        pytest.param(b"\x88\x02\x03\xed", 1011, id="close with 1005"),
        pytest.param(b"\x88\x02\x03\xe7", 1011, id="close with 999"),
        pytest.param(b"\x88\x01\x03", 1011, id="half a close code"),
        pytest.param(b"\x88\x00", 1000, id="close without a code"),
        pytest.param(b"\x88\x02\x0f\xa0", 4000, id="close with 4000"),
        pytest.param(b"", 1011, id="breaks off"),
        pytest.param(b"\x81\x05ab", 1011, id="breaks off in a frame"),
    ],
)
async def test_what_an_upstream_does_wrong_ends_with_a_code_that_may_be_sent(frames: bytes, code: int) -> None:
    async with answering(good(then=frames)) as app:
        socket = OpenSocket(app, websocket_scope())
        await asyncio.wait_for(socket.call, SECONDS)
        assert [message["type"] for message in socket.sent] == ["websocket.accept", "websocket.close"]
        assert socket.sent[1]["code"] == code


async def test_the_answer_to_the_handshake_goes_on_without_what_is_about_the_connection() -> None:
    answer = good(b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Keep-Alive: timeout=5", b"X-Word: \xe9", b"Server: x")
    async with answering(answer) as app:
        socket = OpenSocket(app, websocket_scope())
        await asyncio.wait_for(socket.call, SECONDS)
        assert socket.sent[0]["headers"] == [
            (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-word", b"\xe9"), (b"server", b"x"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"subprotocols": ["a b"]},
        {"subprotocols": ["a\r\nX-Auth-Subject: root"]},
        {"subprotocols": [f"p{number}" for number in range(33)]},
        {"headers": [(b"host", b"api.test"), (b"content-length", b"5")]},
        {"headers": [(b"host", b"api.test"), (b"transfer-encoding", b"chunked")]},
        {"headers": [(b"host", b"api.test"), (b"x-a", b"b\nc: d")]},
        {"headers": [(b"host", b"api.test"), (b"host", b"b")]},
        {"raw_path": b"/a b"},
    ],
)
async def test_a_handshake_that_could_be_read_in_two_ways_is_not_sent(changes: dict[str, object]) -> None:
    async with answering(good()) as app:
        socket = OpenSocket(app, websocket_scope(**changes))
        await asyncio.wait_for(socket.call, SECONDS)
        assert socket.sent[0]["status"] == 400


async def test_a_client_that_leaves_during_the_handshake_ends_it() -> None:
    async with answering(bad(b""), hangs_up=False) as app:
        socket = OpenSocket(app, websocket_scope())
        socket.put({"type": "websocket.disconnect", "code": 1006})
        await asyncio.wait_for(socket.call, SECONDS)
        assert socket.sent == []


async def test_all_are_closed_when_the_proxy_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.proxy.handshake.CLOSE_SECONDS", 0.1)
    async with answering(good(), hangs_up=False) as app:
        sockets = [OpenSocket(app, websocket_scope()) for _ in range(3)]
        for socket in sockets:
            await socket.until("websocket.accept")
        await asyncio.wait_for(app.close_websockets(), SECONDS)
        for socket in sockets:
            assert socket.sent[-1] == {"type": "websocket.close", "code": 1001, "reason": ""}
            await asyncio.wait_for(socket.call, SECONDS)
