"""Connections of clients, by a real server of this process and clients that write bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from gateway_auth.asgi.types import Message, Receive, Scope, Send
from gateway_auth.server.http1 import Connections
from gateway_auth.server.http1.connection import PIECE_BYTES
from gateway_auth.server.http1.patience import STALLED_LOOKS
from gateway_auth.server.http1.request import BadRequest
from gateway_auth.server.http1.site import IDLE_SECONDS, MAX_LINES

LARGE_BYTES = 32_000_000
PIECE_OF_AN_ANSWER_BYTES = 20_000
HANDSHAKE = b"GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def refusal(status: int) -> bytes:
    return REFUSED if status == 400 else REFUSED.replace(b"400", b"%d" % status)


class App:
    """Answers with the path, or as the path says."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.messages: list[Message] = []
        self.gate = asyncio.Event()
        self.has_ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        self.paths.append(path)
        try:
            await getattr(self, f"do_{path.strip('/').partition('/')[0]}", self.do_tell)(scope, receive, send)
        finally:
            self.has_ended.set()

    async def do_tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(send, scope["path"].encode())

    async def do_wait(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gate.wait()
        await self._answer(send, scope["path"].encode())

    async def do_echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces = []
        while (message := await receive())["type"] == "http.request":
            pieces.append(message["body"])
            if not message["more_body"]:
                break
        self.messages.append(message)
        await self._answer(send, b"".join(pieces))

    async def do_hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Asks for no body before it may."""
        await self.gate.wait()
        await self.do_echo(scope, receive, send)

    async def do_leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.messages.append(await receive())

    async def do_fail(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("on purpose")

    async def do_break(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("on purpose")

    async def do_listen(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Looks whether the client has left, in the middle of its answer."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await receive()
        await send({"type": "http.response.body", "body": b"cd"})

    async def do_silent(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends without an answer."""
        await receive()

    async def do_cancel(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    async def do_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await self.gate.wait()
        await send({"type": "http.response.body", "body": b"cd"})

    async def do_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All in one piece."""
        await self._answer(send, b"x" * LARGE_BYTES)

    async def do_piece(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Little enough for the server to take it without waiting for the client."""
        await self._answer(send, b"x" * PIECE_OF_AN_ANSWER_BYTES)

    async def do_impatient(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gives up waiting for the client, and then tries again."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE_BYTES)]}
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await send({"type": "http.response.body", "body": b"x" * (LARGE_BYTES - 2), "more_body": True})
        self.gate.set()
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b"x"})

    async def do_flood(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _answer(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


class Site:
    """A listening server and its app."""

    def __init__(self, app: App, connections: Connections, state: Any, port: int) -> None:
        self.app = app
        self.connections = connections
        self.state = state
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    @property
    def protocol(self) -> Any:
        (protocol,) = self.state.connections
        return protocol


@asynccontextmanager
async def serving(max_connections: int = 100) -> AsyncIterator[Site]:
    loop = asyncio.get_running_loop()
    app = App()
    connections = Connections(app, max_connections=max_connections, refusal=refusal, failure=lambda: FAILED)
    state: Any = SimpleNamespace(connections=set(), tasks=set())
    config: Any = None
    server = await loop.create_server(lambda: connections.open(config, state, {}, loop), "127.0.0.1", 0)
    try:
        yield Site(app, connections, state, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for each in list(state.connections):
            each._transport.abort()
        app.gate.set()
        connections.close()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def rest(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), 10)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: h\r\n\r\n".encode()


def post(path: str, length: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n".encode()


async def test_one_request_after_the_other() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        for path in ("/a", "/b", "/c"):
            writer.write(get(path))
            assert await answer(reader) == (200, path.encode())
        assert len(site.state.tasks) == 1, "one task answers them all"
        writer.close()


async def test_requests_sent_together_are_answered_in_order() -> None:
    paths = [f"/wait/{number}" for number in range(1000)]
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(b"".join(map(get, paths)))
        await until(lambda: site.app.paths == paths[:1])
        assert len(site.protocol._waiting) <= PIECE_BYTES // len(get("/"))
        site.app.gate.set()
        assert [await answer(reader) for _ in paths] == [(200, path.encode()) for path in paths]
        writer.close()


async def test_what_cannot_be_read_is_said_after_the_answers_before_it() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/wait") + get("/b") + b"nonsense\r\n\r\n")
        await until(lambda: bool(site.app.paths))
        site.app.gate.set()
        said = await rest(reader)
        assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]
        writer.close()


@pytest.mark.parametrize("behind", [b"GET /x#y HTTP/1.1\r\nhost: h\r\n\r\n", HANDSHAKE], ids=["target", "handshake"])
async def test_what_is_wrong_behind_a_request_takes_nothing_from_it(behind: bytes) -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(post("/hold", 2) + b"ab" + behind)
        await until(lambda: bool(site.app.paths))
        site.app.gate.set()
        assert await answer(reader) == (200, b"ab")
        assert await rest(reader) == REFUSED
        writer.close()


async def test_any_number_of_requests_may_follow_a_body() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(post("/hold", 5))
        await until(lambda: bool(site.app.paths))
        writer.write(b"hello" + 1000 * b"GET / HTTP/1.1\r\n\r\n")
        site.app.gate.set()
        assert await answer(reader) == (200, b"hello")
        for _ in range(1000):
            assert await answer(reader) == (200, b"/")
        writer.close()


@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_body_nobody_has_read_does_not_keep_others_from_being_heard(*, is_whole: bool) -> None:
    size = 69_000
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(post("/wait", size if is_whole else 64_000_000) + b"x" * size)
        await until(lambda: bool(site.state.connections) and site.protocol._is_reading_paused)
        protocol = site.protocol
        site.app.gate.set()
        assert await answer(reader) == (200, b"/wait")
        if is_whole:
            writer.write(get("/b"))
            assert await answer(reader) == (200, b"/b")
        else:
            assert not protocol._is_reading_paused, "what the client goes on sending is dropped"
        writer.close()


async def test_no_answer_is_interrupted_to_ask_for_a_body() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(b"POST /listen HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
        assert await answer(reader) == (200, b"abcd")
        writer.close()


async def test_an_app_that_says_nothing_of_a_body_that_makes_no_sense() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(b"POST /leave HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        assert await rest(reader) == REFUSED
        writer.close()


async def test_an_app_that_says_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/silent"))
        assert await rest(reader) == FAILED
        assert "no valid response" in caplog.text
        writer.close()


async def test_an_app_that_is_cancelled_leaves_no_connection_behind() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/cancel"))
        with contextlib.suppress(ConnectionResetError):
            assert await rest(reader) == b""
        await until(lambda: not site.state.connections and not site.state.tasks)
        writer.close()


async def test_an_app_that_gave_up_waiting_may_go_on_sending() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/impatient"))
        await asyncio.wait_for(site.app.gate.wait(), 10)
        assert len((await answer(reader))[1]) == LARGE_BYTES
        writer.close()


async def test_an_answer_that_is_still_being_taken_is_not_cut_off() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/large"))
        await until(lambda: site.app.has_ended.is_set() and site.protocol._patience.deadline > 0)
        site.protocol.look(site.connections.now + IDLE_SECONDS + 1)
        assert len((await answer(reader))[1]) == LARGE_BYTES
        writer.close()


def test_who_has_reset_the_connection_before_it_was_accepted_is_not_served() -> None:
    """It has no address any more, and would be taken for a client of a unix socket. Only uvloop asks so late."""
    uvloop = pytest.importorskip("uvloop")

    async def attempt() -> list[str]:
        async with serving() as site:
            with socket.create_connection(("127.0.0.1", site.port)) as client:
                client.sendall(get("/a"))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reader, writer = await site.connect()
            writer.write(get("/b"))
            assert await answer(reader) == (200, b"/b")
            writer.close()
            return site.app.paths

    assert uvloop.run(attempt()) == ["/b"]


async def test_a_body_that_makes_no_sense_is_broken_off_for_the_app() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(b"POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n")
        assert (await answer(reader))[0] == 200
        assert await rest(reader) == b"", "and the connection ends"
        assert [message["type"] for message in site.app.messages] == ["http.disconnect"]
        writer.close()


async def test_a_body_nobody_asks_for_makes_the_client_wait() -> None:
    size = 64_000_000
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(post("/hold", size))
        sending = asyncio.create_task(_send(writer, size))
        await until(lambda: bool(site.state.connections) and site.protocol._is_reading_paused)
        assert site.protocol._latest.buffered_bytes < 1_000_000
        assert not sending.done()
        site.app.gate.set()
        assert len((await answer(reader))[1]) == size
        await sending
        writer.close()


async def _send(writer: asyncio.StreamWriter, size: int) -> None:
    for _ in range(0, size, 1_000_000):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert await answer(reader) == (200, b"ab")
        writer.write(b"POST /tell HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert await answer(reader) == (200, b"/tell"), "or told at once what it would have been told"
        writer.close()


async def test_an_answer_before_the_body_reaches_a_client_that_goes_on_sending() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(post("/tell", 10_000_000))
        assert await answer(reader) == (200, b"/tell")
        for _ in range(10):
            writer.write(b"x" * 100_000)
            await writer.drain()
        assert await rest(reader) == b""
        writer.close()
        await until(lambda: not site.state.connections)


async def test_a_client_that_leaves_is_told_to_the_app() -> None:
    async with serving() as site:
        _, writer = await site.connect()
        writer.write(get("/leave"))
        await until(lambda: bool(site.app.paths))
        writer.close()
        await asyncio.wait_for(site.app.has_ended.wait(), 10)
        assert site.app.messages == [{"type": "http.disconnect"}]
        await until(lambda: not site.state.connections and not site.state.tasks)


async def test_a_failure_is_answered_or_breaks_the_connection() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/fail"))
        assert await rest(reader) == FAILED
        writer.close()
        reader, writer = await site.connect()
        writer.write(get("/break"))
        with contextlib.suppress(ConnectionResetError):
            assert not (await rest(reader)).endswith(b"\r\n\r\nhalf-and-more")
        writer.close()


async def test_more_connections_than_may_be_are_closed() -> None:
    async with serving(max_connections=1) as site:
        reader, writer = await site.connect()
        writer.write(get("/a"))
        await answer(reader)
        other, other_writer = await site.connect()
        with contextlib.suppress(ConnectionResetError):
            assert await rest(other) == b""
        writer.write(get("/b"))
        assert await answer(reader) == (200, b"/b")
        writer.close()
        other_writer.close()


async def test_nobody_holds_a_connection_by_doing_nothing() -> None:
    async with serving() as site:
        idle, idle_writer = await site.connect()
        half, half_writer = await site.connect()
        busy, busy_writer = await site.connect()
        half_writer.write(b"GET / HTTP/1.1\r\nhost")
        busy_writer.write(get("/wait"))
        await until(lambda: len(site.state.connections) == 3 and bool(site.app.paths))
        later = site.connections.now + IDLE_SECONDS + 1
        for each in list(site.state.connections):
            each.look(later)
        for reader in (idle, half):
            with contextlib.suppress(ConnectionResetError):
                assert await rest(reader) == b""
        site.app.gate.set()
        assert await answer(busy) == (200, b"/wait")
        for writer in (idle_writer, half_writer, busy_writer):
            writer.close()


async def test_what_a_client_said_is_not_kept_while_it_says_nothing() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        for path in ("/a", "/b", "/b"):
            writer.write(get(path))
            assert await answer(reader) == (200, path.encode())
        protocol = site.protocol
        protocol.look(site.connections.now)
        assert protocol._reader._repeats._block
        protocol.look(site.connections.now)
        repeats = protocol._reader._repeats
        assert [repeats._block, repeats._said, repeats._told, repeats._fields] == [b"", b"", {}, ()]
        assert not protocol._reader.headers
        for path in ("/c", "/d"):
            writer.write(get(path))
            assert await answer(reader) == (200, path.encode())
        writer.close()


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    async with serving() as site:
        _, writer = await site.connect()
        writer.write(get("/flood"))
        await until(lambda: bool(site.state.connections) and site.protocol._transport.get_write_buffer_size() > 0)
        protocol = site.protocol
        await until(lambda: protocol._drained is not None)
        for _ in range(STALLED_LOOKS):
            assert not site.app.has_ended.is_set()
            protocol.look(site.connections.now)
            await asyncio.sleep(0)
        protocol.look(site.connections.now)
        await asyncio.wait_for(site.app.has_ended.wait(), 10)
        writer.close()


@pytest.mark.parametrize("at_once", [1, 100])
async def test_who_takes_no_answer_is_asked_for_no_more_requests(at_once: int) -> None:
    count = 2_000
    async with serving() as site:
        reader, writer = await site.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(count // at_once):
            writer.write(get("/piece") * at_once)
            await asyncio.sleep(0)
        await until(lambda: site.protocol._is_reading_paused)
        held = site.protocol._transport.get_write_buffer_size()
        assert 0 < held < 1_000_000
        site.protocol._patience.deadline = 1.0  # long ago
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(count):
            status, body = await answer(reader)
            assert (status, len(body)) == (200, PIECE_OF_AN_ANSWER_BYTES)
        assert site.protocol._patience.deadline > site.connections.now
        writer.close()


@pytest.mark.parametrize("path", ["/wait", None])
async def test_leaving(path: str | None) -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/a"))
        await answer(reader)
        if path is not None:
            writer.write(get(path))
            await until(lambda: path in site.app.paths)
        site.protocol.shutdown()
        site.app.gate.set()
        said = await rest(reader)
        assert (b"connection: close" in said and said.endswith(b"/wait")) if path else said == b""
        writer.close()


def test_what_cannot_be_read_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    connections = Connections(App(), max_connections=1, refusal=refusal, failure=lambda: FAILED)
    with caplog.at_level("INFO", "gateway_auth.serve"):
        for _ in range(MAX_LINES + 10):
            connections.note(BadRequest("nonsense"))
    assert len(caplog.records) == MAX_LINES


async def test_leaving_does_not_wait_for_a_client_whose_answer_had_begun() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(get("/stream"))
        await reader.readuntil(b"ab")
        site.protocol.shutdown()
        site.app.gate.set()
        assert await rest(reader) == b"cd"
        writer.close()


async def until(is_true: Any) -> None:
    async with asyncio.timeout(10):
        while not is_true():  # noqa: ASYNC110  # what is waited for is in the server's own objects
            await asyncio.sleep(0.005)


async def test_a_head_that_is_too_large_is_told_so() -> None:
    async with serving() as site:
        reader, writer = await site.connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\nx: " + b"y" * 100_000)
        assert (await rest(reader)).startswith(b"HTTP/1.1 431 ")
        writer.close()
