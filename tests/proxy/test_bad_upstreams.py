"""What a client gets when the upstream misbehaves, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from gateway_auth.core.upstream import UpstreamLimits
from gateway_auth.proxy.failures import ResponseBroken
from tests.proxy.asgi_client import QUICK, Client, ask, proxy, scope_of, until
from tests.proxy.test_response_reader import BAD
from tests.proxy.upstreams import OK, Script, Upstream, Wire, always, once

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEASURED = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
UNFRAMED = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
async def test_what_is_no_valid_response_is_answered_502(raw: bytes) -> None:
    async with Upstream(always(raw)) as upstream:
        got = await ask(proxy(upstream.url))
        await upstream.wires[0].ended()
    assert (got.status, got.body) == (502, b"upstream_unavailable req-1")


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nX-A: 1", MEASURED[:-2]], ids=["nothing", "some", "most"])
async def test_closing_before_the_head_is_complete_is_answered_502(raw: bytes) -> None:
    async with Upstream(once(raw)) as upstream:
        got = await ask(proxy(upstream.url))
    assert got.status == 502


async def test_a_reset_before_the_head_is_answered_502() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        wire.reset()

    async with Upstream(script) as upstream:
        got = await ask(proxy(upstream.url))
    assert got.status == 502


async def test_a_refused_connection_is_answered_502() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        got = await ask(proxy(f"http://127.0.0.1:{unused.getsockname()[1]}"))
    assert (got.status, got.body) == (502, b"upstream_unavailable req-1")


async def test_a_name_that_does_not_resolve_is_answered_502() -> None:
    assert (await ask(proxy("http://nobody.invalid"))).status == 502


def broken_after(start: bytes, end: str) -> Script:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(start)
        await asyncio.sleep(0.05)
        if end == "reset":
            wire.reset()
        elif end != "close":
            await wire.play(end.encode())
            await wire.closed()

    return script


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MEASURED + b"half", "close"),
        (MEASURED + b"half", "reset"),
        (MEASURED, "close"),
        (CHUNKED + b"4\r\nhalf\r\n", "close"),
        (CHUNKED + b"4\r\nhalf\r\n", "reset"),
        (CHUNKED + b"4\r\nhalf\r\n", "zz\r\n"),
        (CHUNKED + b"4\r\nhalf\r\n", "4\r\nhalfXX"),
        (CHUNKED + b"4\r\nhalf\r\n0\r\n", "close"),
        (CHUNKED + b"4\r\nhalf\r\n0\r\nX: \0", "X: \0\r\n\r\n"),
        (UNFRAMED + b"half", "reset"),
    ],
)
async def test_a_response_that_breaks_off_never_looks_complete(start: bytes, end: str) -> None:
    async with Upstream(broken_after(start, end)) as upstream:
        client = Client(pieces=[b""])
        app = proxy(upstream.url)
        if b"\0" in start:
            await asyncio.wait_for(app(scope_of(), client.receive, client.send), 5)
            assert client.status == 502
            return
        with pytest.raises(ResponseBroken):
            await asyncio.wait_for(app(scope_of(), client.receive, client.send), 5)
    assert (client.status, client.is_complete) == (200, False)


@pytest.mark.parametrize(
    "surplus",
    [b"x", OK, b"HTTP/1.1 100 Continue\r\n\r\n", b"\0" * 100],
    ids=["a byte", "a second response", "an interim response", "noise"],
)
@pytest.mark.parametrize("when", ["at once", "later"])
async def test_a_connection_with_surplus_bytes_is_not_used_again(surplus: bytes, when: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        if when == "at once":
            await wire.play(OK + surplus)
        else:
            await wire.play(OK)
            await asyncio.sleep(0.05)
            await wire.play(surplus)
        await wire.closed()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        first = await ask(app)
        await upstream.wires[0].ended()
        second = await ask(app)
    assert [(got.status, got.body) for got in (first, second)] == [(200, b"ok")] * 2
    assert len(upstream.wires) == 2


async def test_a_body_in_answer_to_head_is_not_the_next_clients_answer() -> None:
    async with Upstream(always(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!")) as upstream:
        app = proxy(upstream.url)
        head = await ask(app, "HEAD")
        get = await ask(app)
    assert (head.body, get.body, len(upstream.wires)) == (b"", b"evil!", 2)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_the_upstream_wants_to_end_is_not_used_again(raw: bytes) -> None:
    async with Upstream(always(raw)) as upstream:
        app = proxy(upstream.url)
        assert [(await ask(app)).body for _ in range(3)] == [b"ok"] * 3
    assert len(upstream.wires) == 3


async def test_endless_fields_are_cut_off() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(b"HTTP/1.1 200 OK\r\n")
        while True:
            await wire.play(b"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 100)

    async with Upstream(script) as upstream:
        got = await ask(proxy(upstream.url))
    assert got.status == 502


async def test_an_upstream_that_is_silent_is_answered_504() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.closed()

    async with Upstream(script) as upstream:
        got = await ask(proxy(upstream.url, QUICK), "POST", "/", [("content-length", "2")], pieces=[b"ab"])
        await upstream.wires[0].ended()
    assert (got.status, got.body) == (504, b"upstream_timeout req-1")


async def test_interim_answers_and_single_bytes_do_not_put_off_the_timeout() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        while True:
            await wire.play(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.02)

    async with Upstream(script) as upstream:
        got = await ask(proxy(upstream.url, QUICK))
    assert got.status == 504


async def test_an_upstream_that_does_not_read_is_answered_504() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_head()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined] # the typed base has no such method
        await asyncio.sleep(30)

    async with Upstream(script) as upstream:
        client = Client(pieces=[bytes(1 << 20)] * 64)
        scope = scope_of("POST", headers=[("transfer-encoding", "chunked")])
        await asyncio.wait_for(proxy(upstream.url, QUICK)(scope, client.receive, client.send), 10)
    assert (client.status, len(client.pieces) > 20) == (504, True)


async def test_a_connection_nobody_accepts_is_answered_504() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        got = await ask(proxy(f"http://127.0.0.1:{full.getsockname()[1]}", QUICK))
    assert (got.status, got.body) == (504, b"upstream_timeout req-1")


async def test_a_body_that_stalls_is_cut_off() -> None:
    async with Upstream(broken_after(MEASURED + b"half", "")) as upstream:
        client = Client(pieces=[b""])
        with pytest.raises(ResponseBroken):
            await asyncio.wait_for(proxy(upstream.url, QUICK)(scope_of(), client.receive, client.send), 5)
        await upstream.wires[0].ended()
    assert (client.status, client.is_complete) == (200, False)


async def test_a_slow_body_that_goes_on_is_not_cut_off() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(MEASURED)
        for _ in range(10):
            await asyncio.sleep(0.1)
            await wire.play(b"x")

    async with Upstream(script) as upstream:
        got = await ask(proxy(upstream.url, QUICK))
    assert (got.body, got.is_complete) == (b"x" * 10, True)


async def test_a_slow_upload_that_goes_on_is_not_cut_off() -> None:
    async with Upstream(always(OK)) as upstream:
        client = Client(pieces=[b"x"] * 8)

        async def receive() -> dict[str, object]:
            await asyncio.sleep(0.1)
            return dict(await client.receive())

        scope = scope_of("POST", headers=[("content-length", "8")])
        await asyncio.wait_for(proxy(upstream.url, QUICK)(scope, receive, client.send), 10)
    assert (client.status, upstream.seen[0].body) == (200, b"x" * 8)


async def test_a_client_that_stops_sending_its_body_is_not_blamed_on_the_upstream() -> None:
    async with Upstream(always(OK)) as upstream:
        client = Client(pieces=[b"x"], is_endless=True)
        scope = scope_of("POST", headers=[("content-length", "8")])
        await asyncio.wait_for(proxy(upstream.url, QUICK)(scope, client.receive, client.send), 5)
        await until(lambda: len(upstream.wires) == 1)
        await upstream.wires[0].ended()
    assert (client.status, client.body) == (400, b"malformed_request req-1")


@pytest.mark.parametrize("unread", [b"x", OK.replace(b"ok", b"no")], ids=["a byte", "a second response"])
async def test_a_connection_with_bytes_that_wait_in_the_system_is_not_used_again(unread: bytes) -> None:
    async with Upstream(always(OK)) as upstream:
        app = proxy(upstream.url)
        client = Client(pieces=[b""])
        await app(scope_of(), client.receive, client.send)
        # Straight into the system's buffers, and the next request follows before the event loop has read them.
        with socket.socket(fileno=os.dup(upstream.wires[0].writer.get_extra_info("socket").fileno())) as under:
            under.send(unread)
        following = Client(pieces=[b""])
        await app(scope_of("POST"), following.receive, following.send)
        await upstream.wires[0].ended()
    assert (following.status, following.body, len(upstream.wires)) == (200, b"ok", 2)


async def test_a_connection_whose_end_waits_in_the_system_is_not_used_again() -> None:
    async with Upstream(always(OK)) as upstream:
        app = proxy(upstream.url)
        client = Client(pieces=[b""])
        await app(scope_of(), client.receive, client.send)
        with socket.socket(fileno=os.dup(upstream.wires[0].writer.get_extra_info("socket").fileno())) as under:
            under.shutdown(socket.SHUT_WR)
        following = Client(pieces=[b""])
        await app(scope_of("POST"), following.receive, following.send)
    assert (following.status, following.body, len(upstream.wires)) == (200, b"ok", 2)


async def test_whoever_waits_for_a_connection_gets_none_with_unread_bytes() -> None:
    async def script(wire: Wire) -> None:
        seen = await wire.read_request()
        if seen.line.startswith(b"GET /evil"):
            await asyncio.sleep(0.05)
            await wire.play(OK.replace(b"ok", b"no"))
            with socket.socket(fileno=os.dup(wire.writer.get_extra_info("socket").fileno())) as under:
                under.send(OK.replace(b"ok", b"!!"))
            await wire.closed()
        await wire.play(OK)

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(max_connections=1))
        evil = asyncio.create_task(ask(app, path="/evil"))
        await until(lambda: len(upstream.seen) == 1)
        waiting = [asyncio.create_task(ask(app, "POST")) for _ in range(3)]
        bodies = [answer.body for answer in await asyncio.gather(evil, *waiting)]
    assert bodies[1:] == [b"ok"] * 3
