"""What passes between a client and an upstream that behaves."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from gateway_auth.errors import BodyTooLarge
from gateway_auth.proxy import ProxyApp, parse_upstream
from gateway_auth.proxy.body import LOOK_AHEAD_SECONDS
from tests.proxy.asgi_client import Client, Judged, ask, proxy, respond, scope_of, until, without_via
from tests.proxy.upstreams import OK, Upstream, Wire, always, once


async def test_a_request_and_its_answer() -> None:
    answer = b"HTTP/1.1 201 Created\r\nX-A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\nhello"
    async with Upstream(always(answer)) as upstream:
        got = await ask(
            proxy(upstream.url), "POST", "/v1/a%20b", [("content-length", "3")], pieces=[b"abc"], query="q=1"
        )
    seen = upstream.seen[0]
    assert (seen.line, seen.body) == (b"POST /v1/a%20b?q=1 HTTP/1.1", b"abc")
    assert seen.values("host") == [b"api.test"]
    assert seen.values("x-forwarded-for") == [b"192.0.2.7"]
    assert (got.status, got.body, got.is_complete) == (201, b"hello", True)
    assert without_via(got.headers) == [
        (b"x-a", b"1"),
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"content-length", b"5"),
    ]


async def test_a_request_without_a_body_never_asks_the_server_for_one() -> None:
    async with Upstream(always(OK)) as upstream:
        got = await ask(proxy(upstream.url))
    assert (got.status, got.receives) == (200, 0)


async def test_the_route_chooses_the_upstream() -> None:
    async with Upstream(always(OK)) as default, Upstream(always(OK)) as other:
        upstreams = {other.url: parse_upstream(other.url)}
        app = ProxyApp(parse_upstream(default.url), respond=respond, upstreams=upstreams)
        await ask(app, path="/a")
        await ask(app, path="/b", judged=Judged(upstream=other.url))
        await ask(app, path="/c", judged=Judged(upstream=other.url, timeout_seconds=5))
    assert [seen.line.split()[1] for seen in default.seen] == [b"/a"]
    assert [seen.line.split()[1] for seen in other.seen] == [b"/b", b"/c"]
    assert len(other.wires) == 1


@pytest.mark.parametrize(
    "pieces",
    [[b"hello"], [b"he", b"llo"], [b"", b"hello", b""], [b"h", b"e", b"l", b"l", b"o"]],
    ids=["one", "two", "with empty ones", "many"],
)
@pytest.mark.parametrize("framing", [("content-length", "5"), ("transfer-encoding", "chunked")])
async def test_a_body_arrives_whole_in_the_framing_the_client_chose(
    pieces: list[bytes], framing: tuple[str, str]
) -> None:
    async with Upstream(always(OK)) as upstream:
        app = proxy(upstream.url)
        for _ in range(2):
            got = await ask(app, "PUT", "/", [framing], pieces=pieces)
            assert got.status == 200
    first, second = upstream.seen
    assert (first.body, second.body) == (b"hello", b"hello")
    assert first.values(framing[0]) == [framing[1].encode()]
    assert len(upstream.wires) == 1


async def test_framing_listed_in_connection_still_frames() -> None:
    listed = ("connection", "close, Transfer-Encoding, Content-Length")
    async with Upstream(always(OK)) as upstream:
        await ask(proxy(upstream.url), "POST", "/", [listed, ("content-length", "5")], pieces=[b"abcde"])
    assert (upstream.seen[0].body, upstream.seen[0].values("connection")) == (b"abcde", [])


async def test_an_empty_body_with_a_length_needs_nothing_from_the_client() -> None:
    async with Upstream(always(OK)) as upstream:
        got = await ask(proxy(upstream.url), "POST", "/", [("content-length", "0")])
    assert (upstream.seen[0].values("content-length"), got.receives) == ([b"0"], 0)


@pytest.mark.parametrize(
    "pieces", [[b"abcd"], [b"ab", b"cd"], [b"ab"], [b"a", b"b"]], ids=["long", "longer", "short", "shorter"]
)
async def test_a_body_that_is_not_as_long_as_declared_is_refused(pieces: list[bytes]) -> None:
    async with Upstream(always(OK)) as upstream:
        got = await ask(proxy(upstream.url), "POST", "/", [("content-length", "3")], pieces=pieces)
    assert (got.status, got.body) == (400, b"malformed_request req-1")
    assert all(len(seen.body) == 0 for seen in upstream.seen)


async def test_an_ambiguous_request_does_not_reach_the_upstream() -> None:
    both = [("content-length", "3"), ("transfer-encoding", "chunked")]
    async with Upstream(always(OK)) as upstream:
        got = await ask(proxy(upstream.url), "POST", "/", both, pieces=[b"abc"])
    assert (got.status, upstream.wires) == (400, [])


async def test_head_has_no_body_and_keeps_its_length_and_the_connection() -> None:
    async def script(wire: Wire) -> None:
        while True:
            seen = await wire.read_request()
            body = b"" if seen.line.startswith(b"HEAD") else b"hello"
            await wire.play(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)

    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        answers = [await ask(app, method) for method in ("HEAD", "GET", "HEAD", "HEAD", "GET")]
    assert [answer.body for answer in answers] == [b"", b"hello", b"", b"", b"hello"]
    assert all(answer.values("content-length") == [b"5"] for answer in answers)
    assert len(upstream.wires) == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_content_ends_at_its_head(status: int) -> None:
    async with Upstream(always(f"HTTP/1.1 {status} X\r\nContent-Length: 7\r\n\r\n".encode())) as upstream:
        app = proxy(upstream.url)
        answers = [await ask(app), await ask(app)]
    assert [(answer.status, answer.body, without_via(answer.headers)) for answer in answers] == [(status, b"", [])] * 2
    assert len(upstream.wires) == 1


async def test_a_chunked_answer_is_unframed() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw = head + b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n"
    async with Upstream(always(raw)) as upstream:
        app = proxy(upstream.url)
        answers = [await ask(app), await ask(app)]
    assert [(answer.body, without_via(answer.headers)) for answer in answers] == [(b"hello world", [])] * 2
    assert len(upstream.wires) == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_until_close_is_whole_once_the_upstream_closes(version: bytes) -> None:
    async with Upstream(once(b"HTTP/" + version + b" 200 OK\r\n\r\nall of it")) as upstream:
        got = await ask(proxy(upstream.url))
    assert (got.status, got.body, got.is_complete) == (200, b"all of it", True)


async def test_interim_answers_are_dropped() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with Upstream(always(early + OK)) as upstream:
        got = await ask(proxy(upstream.url))
    assert (got.status, without_via(got.headers), got.body) == (200, [(b"content-length", b"2")], b"ok")


async def test_pieces_of_an_answer_arrive_as_they_come() -> None:
    more = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            await more.wait()
            more.clear()
            await wire.play(b"9\r\ndata: %d\n\n\r\n" % number)
        await wire.play(b"0\r\n\r\n")

    async with Upstream(script) as upstream:
        client = Client(pieces=[b""])
        running = asyncio.create_task(proxy(upstream.url)(scope_of(), client.receive, client.send))
        await until(lambda: client.status == 200 and len(client.chunks) == 1)
        for number in range(3):
            more.set()
            await until(lambda: client.body.endswith(b"data: %d\n\n" % number))  # noqa: B023
        await running
    assert client.is_complete


async def test_both_directions_stream_at_once() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_head()
        await wire.play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (line := await wire.reader.readline()) != b"0\r\n":
            data = await wire.reader.readexactly(int(line, 16) + 2)
            await wire.play(line + data)
        await wire.reader.readline()
        await wire.play(b"0\r\n\r\n")

    async with Upstream(script) as upstream:
        client = Client(pieces=[b"one"], is_endless=True)
        scope = scope_of("POST", headers=[("transfer-encoding", "chunked")])
        gate = asyncio.Event()
        pieces = iter([b"two", b"three"])

        async def receive() -> Message:
            if client.pieces:
                return await client.receive()
            await gate.wait()
            gate.clear()
            piece = next(pieces, b"")
            return {"type": "http.request", "body": piece, "more_body": bool(piece)}

        running = asyncio.create_task(proxy(upstream.url)(scope, receive, client.send))
        for echoed in (b"one", b"onetwo", b"onetwothree"):
            await until(lambda: client.body == echoed)  # noqa: B023
            gate.set()
        await running
    assert client.is_complete


@pytest.mark.parametrize("is_early", [True, False], ids=["with the first piece", "later"])
async def test_what_receive_raises_passes_through_and_ends_the_upstreams_connection(is_early: bool) -> None:
    async with Upstream(always(OK)) as upstream:
        client = Client(pieces=[] if is_early else [b"ab"], is_endless=True)

        async def receive() -> Message:
            if client.pieces:
                return await client.receive()
            await asyncio.sleep(0 if is_early else 4 * LOOK_AHEAD_SECONDS)
            raise BodyTooLarge

        scope = scope_of("POST", headers=[("transfer-encoding", "chunked")])
        with pytest.raises(BodyTooLarge):
            await proxy(upstream.url)(scope, receive, client.send)
        if not is_early:
            await upstream.wires[0].ended()
    assert (client.status, [seen.body for seen in upstream.seen]) == (0, [] if is_early else [b"ab"])


async def test_a_body_that_breaks_off_at_once_does_not_reach_the_upstream() -> None:
    async with Upstream(always(OK)) as upstream:
        client = Client(pieces=[b"abcde"], is_endless=True)
        client.has_left.set()
        scope = scope_of("POST", headers=[("transfer-encoding", "chunked")])
        await asyncio.wait_for(proxy(upstream.url)(scope, client.receive, client.send), 5)
    assert (client.status, upstream.wires) == (400, [])


async def test_a_cap_reached_while_the_upstream_is_out_of_reach_is_forgotten_quietly() -> None:
    client = Client(pieces=[b"a"], is_endless=True)

    async def receive() -> Message:
        if client.pieces:
            return await client.receive()
        await asyncio.sleep(1.5 * LOOK_AHEAD_SECONDS)
        raise BodyTooLarge

    scope = scope_of("POST", headers=[("transfer-encoding", "chunked")])
    await asyncio.wait_for(proxy("http://127.0.0.1:1")(scope, receive, client.send), 5)
    assert client.status == 502


async def test_an_answer_before_the_body_is_finished_stops_the_body() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_head()
        await wire.play(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await wire.closed()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        client = Client(pieces=[b"a"], is_endless=True)
        scope = scope_of("POST", headers=[("content-length", "1000")])
        await asyncio.wait_for(app(scope, client.receive, client.send), 5)
        await upstream.wires[0].ended()
        await ask(app)
    assert (client.status, client.body, client.is_complete) == (413, b"no", True)
    assert len(upstream.wires) == 2


async def test_the_lifespan_closes_idle_connections() -> None:
    async with Upstream(always(OK)) as upstream:
        app = proxy(upstream.url)
        await ask(app)
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        sent: list[str] = []

        async def receive() -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        await upstream.wires[0].ended()
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert (await ask(app)).status == 502
