"""`gateway_auth.uvicorn.Http1` in a real uvicorn: its options hold, requests leave nothing to each other."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway_auth.uvicorn import Http1

KEY = "gwk_live_0123456789ab_" + "x" * 38
LEFT: ContextVar[str] = ContextVar("left", default="nothing")
REQUEST = b"GET %b HTTP/1.1\r\nhost: h\r\n%b\r\n"
LAST = b"connection: close\r\n"


class Sample:
    """An app that tells what it was told."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.has_stopped = asyncio.Event()
        routes = [
            Route("/scope", self._scope),
            Route("/left", self._left),
            Route("/slow", self._slow),
            Route("/endless", self._endless),
            Route("/fails", self._fail),
            WebSocketRoute("/echo", self._echo),
        ]
        self.app = Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[dict[str, Any]]:
        LEFT.set("the lifespan")
        yield {"opened": "yes"}

    async def _scope(self, request: Request) -> JSONResponse:
        scope = request.scope
        state = dict(scope["state"])
        scope["state"]["left"] = "by a request"
        told = {name: scope[name] for name in ("path", "root_path", "scheme", "http_version", "asgi")}
        return JSONResponse({**told, "raw_path": scope["raw_path"].decode(), "state": state})

    async def _left(self, _: Request) -> JSONResponse:
        found = LEFT.get()
        LEFT.set("a request")
        return JSONResponse(found)

    async def _slow(self, _: Request) -> Response:
        self.entered.set()
        await self.gate.wait()
        return Response("done")

    async def _endless(self, _: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0.001)
            finally:
                self.has_stopped.set()

        return StreamingResponse(lines())

    async def _fail(self, _: Request) -> Response:
        raise ZeroDivisionError

    async def _echo(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text() + websocket.state.opened)
        await websocket.close()


class _Guest(uvicorn.Server):
    """Signals are the tests'."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Running:
    """A uvicorn that listens, with the task it runs in."""

    def __init__(self, server: uvicorn.Server, port: int, task: asyncio.Task[None]) -> None:
        self.server = server
        self.port = port
        self.task = task

    @asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(10):
                yield reader, writer
        finally:
            writer.close()

    async def ask(self, raw: bytes) -> bytes:
        """All that comes until the server hangs up."""
        async with self.client() as (reader, writer):
            writer.write(raw)
            return await reader.read()


@asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[Running]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Guest(uvicorn.Config(app, http=Http1, log_config=None, **options))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
    try:
        yield Running(server, listener.getsockname()[1], task)
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await task


def bodies(answers: bytes) -> list[Any]:
    """Of JSON responses with a length, one behind the other."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(json.loads(rest[:length]))
        answers = rest[length:]
    return found


async def test_a_request_is_told_what_uvicorn_would_tell_and_has_its_own_state() -> None:
    async with serving(Sample().app, root_path="/outside") as site:
        two = REQUEST % (b"/scope?q", b"") + REQUEST % (b"/sc%6fpe", LAST)
        first, second = bodies(await site.ask(two))
    assert (first["path"], first["root_path"], first["raw_path"]) == ("/outside/scope", "/outside", "/outside/scope")
    assert (second["path"], second["raw_path"]) == ("/outside/scope", "/outside/sc%6fpe")
    assert first["state"] == second["state"] == {"opened": "yes"}
    # Later versions of ASGI let an app expect that it cannot send to a client that has left.
    assert (first["scheme"], first["http_version"], first["asgi"]["spec_version"]) == ("http", "1.1", "2.3")


@pytest.mark.parametrize("resets", [False, True])
async def test_what_a_request_leaves_in_its_context_no_other_finds(resets: bool) -> None:
    async with serving(Sample().app, reset_contextvars=resets) as site, site.client() as (reader, writer):
        found = []
        for pipelined in (1, 2, 2):
            writer.write(REQUEST % (b"/left", b"") * pipelined)
            for _ in range(pipelined):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                found.append(json.loads(await reader.readexactly(length)))
    assert len(set(found)) == 1
    assert found[0] != "a request"


EAGER: Any = getattr(asyncio, "eager_task_factory", None)  # from Python 3.12 on


@pytest.mark.parametrize("factory", [None, *([EAGER] if EAGER else [])], ids=lambda factory: factory and "eager")
async def test_each_request_has_a_task_that_the_server_knows_until_it_ends(factory: Any) -> None:
    asyncio.get_running_loop().set_task_factory(factory)
    sample = Sample()
    async with serving(sample.app) as site, site.client() as (reader, writer):
        known = site.server.server_state.tasks
        writer.write(REQUEST % (b"/scope", b"") * 3 + REQUEST % (b"/slow", b"") + REQUEST % (b"/scope", LAST))
        await sample.entered.wait()
        (slow,) = known
        assert not slow.done()
        sample.gate.set()
        assert (await reader.read()).count(b"HTTP/1.1 200") == 5
        assert slow.done()
        assert not known


@pytest.mark.parametrize("factory", [None, *([EAGER] if EAGER else [])], ids=lambda factory: factory and "eager")
async def test_an_app_that_is_cancelled_at_once_is_called_once(factory: Any) -> None:
    asyncio.get_running_loop().set_task_factory(factory)
    calls = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope["type"])
        raise asyncio.CancelledError

    async with serving(app, lifespan="off") as site:
        assert await site.ask(REQUEST % (b"/", b"") * 2) == b""
        assert not site.server.server_state.tasks
    assert calls == ["http"]


async def test_a_request_that_is_cancelled_breaks_its_connection_off_and_is_known_no_more() -> None:
    sample = Sample()
    async with serving(sample.app) as site, site.client() as (reader, writer):
        known = site.server.server_state.tasks
        writer.write(REQUEST % (b"/slow", b""))
        await sample.entered.wait()
        (slow,) = known
        slow.cancel()
        assert await reader.read() == b""
        assert not known
        assert (await site.ask(REQUEST % (b"/scope", LAST))).startswith(b"HTTP/1.1 200")


async def test_an_app_may_change_its_headers_though_the_client_repeats_them() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise AssertionError("without a lifespan")
        headers = scope["headers"]
        headers.append((b"x-added", b"1"))
        body = json.dumps([type(headers).__mro__[-2].__name__, len(headers)]).encode()
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    async with serving(app, lifespan="off") as site, site.client() as (reader, writer):
        for _ in range(4):
            writer.write(REQUEST % (b"/a", b"x-one: 1\r\n"))
            await reader.readuntil(b"\r\n\r\n")
            assert json.loads(await reader.readexactly(len(b'["list", 3]'))) == ["list", 3]


@pytest.mark.parametrize(
    "raw",
    [
        REQUEST % (b"/scope#x", b""),
        b"GET /scope\r\n\r\n",
        b"GET /scope HTTP/1.1\r\nhost : h\r\n\r\n",
        b"no\x00\r\n\r\n",
    ],
    ids=["fragment", "HTTP/0.9", "blank before the colon", "nothing"],
)
async def test_what_can_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    async with serving(Sample().app) as site:
        answer = await site.ask(raw)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "malformed_request"


async def test_fields_of_the_server_are_in_each_response() -> None:
    async with serving(Sample().app, headers=[("x-site", "one")]) as site:
        answer = (await site.ask(REQUEST % (b"/scope", LAST))).lower()
    for field in (b"x-site: one", b"server: uvicorn", b"date: "):
        assert answer.count(b"\r\n" + field) == 1


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/none?a=%0A%20&b=", "/none?a=%0A%20&b="),
        (f"/none?key={KEY}", "/none?key=gwk_live_0123456789ab_[redacted]"),
        (f"/none?a=%0A&key={KEY.replace('_', '%5f')}", "/none?a=%0A&key=gwk_live_0123456789ab_[redacted]"),
        ("/none?t=eyJhbGciOi.eyJzdWIi%2Ec2ln", "/none?t=[redacted]"),
    ],
    ids=["nothing", "a key", "an encoded key", "a token"],
)
async def test_the_access_log_tells_each_request_and_no_secret(
    target: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    async with serving(Sample().app) as site:
        await site.ask(REQUEST % (target.encode(), LAST))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert line.startswith("127.0.0.1:")
    assert line.endswith(f'"GET {shown} HTTP/1.1" 404')


async def test_no_more_at_once_than_uvicorn_was_told() -> None:
    sample = Sample()
    async with serving(sample.app, limit_concurrency=2) as site, site.client() as (reader, writer):
        writer.write(REQUEST % (b"/slow", LAST))
        await sample.entered.wait()
        assert (await site.ask(REQUEST % (b"/scope", LAST))).startswith(b"HTTP/1.1 503 ")
        sample.gate.set()
        assert (await reader.read()).endswith(b"done")
        assert (await site.ask(REQUEST % (b"/scope", LAST))).startswith(b"HTTP/1.1 200 ")


async def test_it_ends_after_as_many_requests_as_uvicorn_was_told() -> None:
    async with serving(Sample().app, limit_max_requests=2) as site:
        await site.ask(REQUEST % (b"/scope", b"") + REQUEST % (b"/scope", LAST))
        async with asyncio.timeout(10):
            await site.task


async def test_it_stops_when_the_request_under_way_is_answered() -> None:
    sample = Sample()
    async with serving(sample.app) as site, site.client() as (reader, writer):
        writer.write(REQUEST % (b"/slow", b""))
        await sample.entered.wait()
        site.server.should_exit = True
        with suppress(ConnectionRefusedError):
            while True:
                async with site.client():
                    await asyncio.sleep(0.01)
        sample.gate.set()
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"done")


async def test_a_stream_ends_when_its_client_has_left() -> None:
    sample = Sample()
    async with serving(sample.app) as site:
        async with site.client() as (reader, writer):
            writer.write(REQUEST % (b"/endless", b""))
            await reader.readexactly(5000)
        async with asyncio.timeout(10):
            await sample.has_stopped.wait()


async def test_an_app_that_fails_is_500_and_the_connection_goes_on() -> None:
    async with serving(Sample().app) as site:
        answer = await site.ask(REQUEST % (b"/fails", b"") + REQUEST % (b"/left", LAST))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.count(b"HTTP/1.1 200 OK") == 1


HANDSHAKE = (
    b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize("protocol", ["auto", "websockets-sansio"])
async def test_a_websocket_is_uvicorns(protocol: str) -> None:
    async with serving(Sample().app, ws=protocol) as site, site.client() as (reader, writer):
        writer.write(REQUEST % (b"/echo", HANDSHAKE))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(b"\x81\x82\x00\x00\x00\x00hi")
        assert (await reader.readexactly(7)) == b"\x81\x05hiyes"


async def test_without_websockets_a_handshake_is_a_request_like_others() -> None:
    async with serving(Sample().app, ws="none") as site:
        answer = await site.ask(REQUEST % (b"/scope", HANDSHAKE) + REQUEST % (b"/scope", LAST))
        assert [body["path"] for body in bodies(answer)] == ["/scope", "/scope"]
