"""Which connection an exchange gets, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth.core.upstream import UpstreamLimits, parse_server
from gateway_auth.proxy.dial import Dialler
from gateway_auth.proxy.pool import Pool
from gateway_auth.proxy.standing import Standing
from gateway_auth.proxy.sweep import Sweep
from tests.proxy.asgi_client import Client, ask, proxy, until
from tests.proxy.upstreams import OK, Upstream, Wire, always


async def test_one_connection_serves_requests_one_after_another() -> None:
    async with Upstream(always(OK)) as upstream:
        app = proxy(upstream.url)
        for _ in range(20):
            assert (await ask(app)).status == 200
    assert (len(upstream.wires), len(upstream.seen)) == (1, 20)


async def test_the_connection_used_last_is_reused_first() -> None:
    meeting = asyncio.Barrier(3)

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await meeting.wait()
        while True:
            await wire.play(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % wire.number)
            await wire.read_request()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        await asyncio.gather(*(ask(app) for _ in range(3)))
        later = {(await ask(app)).body for _ in range(5)}
    assert (len(upstream.wires), len(later)) == (3, 1)


async def test_no_more_connections_are_opened_than_allowed_and_others_wait_their_turn() -> None:
    async def script(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await asyncio.sleep(0.01)
            await wire.play(OK)

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(max_connections=3))
        answers = await asyncio.gather(*(ask(app) for _ in range(30)))
    assert [answer.status for answer in answers] == [200] * 30
    assert len(upstream.wires) == 3


async def test_a_slot_whose_connection_broke_goes_to_whoever_waits() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await asyncio.sleep(0.01)
        await wire.play(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(max_connections=2))
        answers = await asyncio.gather(*(ask(app) for _ in range(12)))
    assert ([answer.status for answer in answers], len(upstream.wires)) == ([200] * 12, 12)


async def test_whoever_cannot_even_wait_is_answered_502_and_whoever_waits_in_vain_504() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.closed()

    limits = UpstreamLimits(max_connections=1, max_waiting=1, connect_timeout_seconds=0.2, response_timeout_seconds=1.0)
    async with Upstream(script) as upstream:
        app = proxy(upstream.url, limits)
        answers = await asyncio.gather(*(ask(app) for _ in range(3)))
    assert [answer.status for answer in answers] == [504, 504, 502]
    assert len(upstream.wires) == 1


async def test_slots_come_back_after_every_kind_of_ending() -> None:
    endings = iter(
        [
            b"",
            b"nonsense\r\n",
            b"HTTP/1.1 101 No\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            OK + b"x",
        ]
    )

    async def script(wire: Wire) -> None:
        await wire.read_request()
        if ending := next(endings, OK):
            await wire.play(ending)
        await wire.closed()

    limits = UpstreamLimits(max_connections=1, connect_timeout_seconds=2, response_timeout_seconds=0.1)
    async with Upstream(script) as upstream:
        app = proxy(upstream.url, limits)
        statuses = [(await ask(app, "POST")).status for _ in range(6)]
    assert statuses == [504, 502, 502, 200, 200, 200]


async def test_an_idle_connection_is_closed_after_a_while() -> None:
    async with Upstream(always(OK)) as upstream:
        app = proxy(upstream.url, UpstreamLimits(keep_alive_seconds=0.05))
        await ask(app)
        await upstream.wires[0].ended()
        await ask(app)
    assert len(upstream.wires) == 2


async def test_a_connection_the_upstream_closed_while_idle_is_not_used_again() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(OK)

    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        for _ in range(3):
            assert (await ask(app, "POST")).status == 200
            await upstream.wires[-1].ended()
            await asyncio.sleep(0.02)
    assert len(upstream.wires) == 3


async def test_closing_lets_exchanges_in_flight_finish_and_keeps_nothing_open() -> None:
    go = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await go.wait()
        await wire.play(OK)
        await wire.closed()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        in_flight = asyncio.create_task(ask(app))
        await until(lambda: len(upstream.seen) == 1)
        await app.aclose()
        go.set()
        assert (await in_flight).status == 200
        await upstream.wires[0].ended()


async def test_closing_turns_away_those_who_wait_for_a_connection() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.closed()

    limits = UpstreamLimits(max_connections=1, response_timeout_seconds=0.2)
    async with Upstream(script) as upstream:
        app = proxy(upstream.url, limits)
        both = [asyncio.create_task(ask(app)) for _ in range(2)]
        await until(lambda: len(upstream.seen) == 1)
        await app.aclose()
        assert [answer.status for answer in await asyncio.gather(*both)] == [504, 502]


async def test_a_cancelled_request_gives_back_its_place() -> None:
    async def script(wire: Wire) -> None:
        while True:
            seen = await wire.read_request()
            if b"hang" not in seen.line:
                await wire.play(OK)

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(max_connections=1))
        holder = asyncio.create_task(ask(app, path="/hang"))
        await until(lambda: len(upstream.seen) == 1)
        waiting = [asyncio.create_task(ask(app)) for _ in range(3)]
        await asyncio.sleep(0.02)
        waiting[0].cancel()
        holder.cancel()
        answers = await asyncio.gather(holder, *waiting, return_exceptions=True)
    assert [type(answer) is asyncio.CancelledError for answer in answers] == [True, True, False, False]
    assert [answer.status for answer in answers[2:] if isinstance(answer, Client)] == [200, 200]


@pytest.mark.parametrize("granted", ["leave to dial", "a connection"])
async def test_what_is_granted_to_someone_who_has_just_gone_goes_to_the_next(granted: str) -> None:
    async with Upstream(always(OK)) as upstream:
        loop = asyncio.get_running_loop()
        dialler = Dialler(parse_server(upstream.url), loop)
        limits = UpstreamLimits(max_connections=1)
        pool = Pool(dialler, Standing("a", loop.time, 3, 10), limits, Sweep(loop, tick_seconds=1), loop)
        first = await pool.connect()
        gone, waiting = (asyncio.create_task(pool.connect()) for _ in range(2))
        await asyncio.sleep(0)
        if granted == "a connection":
            reader = first.begin(is_head=False)
            first.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            while not reader.is_complete:
                await first.progress()
            pool.give_back(first, is_reusable=True)
        else:
            first.abort()
            await asyncio.sleep(0)
            assert first.is_closed
        gone.cancel()
        second = await asyncio.wait_for(waiting, 5)
        assert (second is first) is (granted == "a connection")
        assert gone.cancelled()
        pool.give_back(second, is_reusable=False)


async def test_a_connection_with_unsent_bytes_of_a_request_is_not_used_again() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_head()
        if wire.number == 0:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined] # the typed base has no such method
        await wire.play(OK)
        await asyncio.sleep(0.2)

    body = bytes(32 * 1024 * 1024)
    async with Upstream(script) as upstream:
        app = proxy(upstream.url)
        early = await ask(app, "POST", "/", [("content-length", str(len(body)))], pieces=[body])
        later = await ask(app, "POST")
    assert (early.status, later.status, len(upstream.wires)) == (200, 200, 2)


async def test_no_task_outlives_its_exchange() -> None:
    async def script(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await asyncio.sleep(0.08)
            await wire.play(OK)

    async with Upstream(script) as upstream:
        before = len(asyncio.all_tasks())
        app = proxy(upstream.url)
        for _ in range(3):
            got = await ask(app)
            assert (got.status, got.receives > 0) == (200, True)
        await until(lambda: len(asyncio.all_tasks()) == before + 1)
    assert len(upstream.wires) == 1
