"""Which of several servers gets a request, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.types import Message

from gateway_auth.core.upstream import HealthCheck, UpstreamLimits
from gateway_auth.proxy import dial
from tests.proxy.asgi_client import QUICK, Client, Judged, ask, balanced, proxy, scope_of, until
from tests.proxy.upstreams import OK, Script, Upstream, Wire, always

PATIENT = UpstreamLimits(response_timeout_seconds=1.5, idle_timeout_seconds=0.5)
"""Long enough for an answer on a busy machine."""


def named(name: bytes) -> Script:
    """Answers every request with its name."""
    return always(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))


@contextmanager
def closed_port() -> Iterator[str]:
    """The address of a server that is down."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


async def test_requests_at_once_are_spread_evenly() -> None:
    meeting = asyncio.Barrier(9)

    async def script(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await meeting.wait()
            await wire.play(OK)

    async with Upstream(script) as one, Upstream(script) as two, Upstream(script) as three:
        app = balanced([one.url, two.url, three.url])
        for _ in range(3):
            answers = await asyncio.gather(*(ask(app, "POST") for _ in range(9)))
            assert [answer.status for answer in answers] == [200] * 9
        assert [len(each.seen) for each in (one, two, three)] == [9, 9, 9]


async def test_a_server_that_is_busy_gets_no_more_while_another_is_not() -> None:
    go = asyncio.Event()

    async def slow(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await go.wait()
            await wire.play(OK)

    async with Upstream(slow) as busy, Upstream(named(b"quick")) as quick:
        app = balanced([busy.url, quick.url])
        held = asyncio.gather(*(ask(app) for _ in range(20)))  # by chance some go to either
        await until(lambda: len(busy.seen) > 0)
        assert {(await ask(app)).body for _ in range(20)} == {b"quick"}
        go.set()
        assert {answer.status for answer in await held} == {200}


async def test_among_equals_chance_decides() -> None:
    async with Upstream(named(b"one")) as one, Upstream(named(b"two")) as two:
        app = balanced([one.url, two.url])
        found = Counter([(await ask(app)).body for _ in range(60)])
    assert set(found) == {b"one", b"two"}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_where_no_connection_can_be_made_the_next_server_is_asked(method: str) -> None:
    async with Upstream(named(b"up")) as up:
        with closed_port() as down:
            app = balanced([down, up.url])
            scope = [("content-length", "4")] if method == "POST" else []
            answers = [await ask(app, method, headers=scope, pieces=[b"body"]) for _ in range(20)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"up")}
    assert len(up.seen) == 20


async def test_no_more_than_three_servers_are_tried_for_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    dialled = dial.Dialler.open

    async def opening(self: dial.Dialler, protocol: asyncio.Protocol, timeout_seconds: float) -> None:
        tried.append(self.server)
        await dialled(self, protocol, timeout_seconds)

    monkeypatch.setattr(dial.Dialler, "open", opening)
    with closed_port() as one, closed_port() as two, closed_port() as three, closed_port() as four:
        got = await ask(balanced([one, two, three, four]))
    assert (got.status, got.body) == (502, b"upstream_unavailable req-1")
    assert (len(tried), len(set(tried))) == (3, 3)


async def test_a_server_that_fails_gets_nothing_for_a_while_and_all_that_fail_are_tried_all_the_same() -> None:
    is_broken = True

    async def script(wire: Wire) -> None:
        while True:
            await wire.read_request()
            if is_broken:
                return
            await wire.play(OK)

    async with Upstream(script) as bad, Upstream(named(b"good")) as good:
        app = balanced([bad.url, good.url], fail_after=2, fail_seconds=60)
        statuses = [(await ask(app, "POST")).status for _ in range(40)]
        assert (Counter(statuses), len(bad.seen)) == (Counter({200: 38, 502: 2}), 2)
    async with Upstream(script) as one, Upstream(script) as two:
        app = balanced([one.url, two.url], fail_after=1, fail_seconds=60)
        assert [(await ask(app, "POST")).status for _ in range(4)] == [502] * 4
        is_broken = False
        assert [(await ask(app, "POST")).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(
    "fault", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 101 No\r\n\r\n"], ids=["noise", "silence", "101"]
)
async def test_no_usable_answer_is_a_failure_too(fault: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(fault)
        await wire.closed()

    async with Upstream(script) as bad, Upstream(named(b"good")) as good:
        app = balanced([bad.url, good.url], PATIENT, fail_after=1, fail_seconds=60)
        answers = [await ask(app) for _ in range(30)]
    assert Counter(answer.status == 200 for answer in answers) == Counter({True: 29, False: 1})


async def test_an_answer_of_500_is_an_answer() -> None:
    async with Upstream(always(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")) as bad, Upstream(named(b"a")) as good:
        app = balanced([bad.url, good.url], fail_after=1, fail_seconds=60)
        statuses = Counter([(await ask(app)).status for _ in range(40)])
    assert statuses[500] > 1


async def test_a_client_that_breaks_off_and_a_connection_gone_stale_are_not_held_against_a_server() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(OK)
        await wire.read_head()

    async with Upstream(script) as upstream, Upstream(named(b"other")) as other:
        app = balanced([upstream.url, other.url], PATIENT, fail_after=1, fail_seconds=60)
        for _ in range(30):
            assert (await ask(app)).status == 200
        client = Client(pieces=[b"x"], is_endless=True)
        for _ in range(4):
            scope = scope_of("PUT", headers=[("content-length", "8")])
            client.pieces, client.status, client.is_complete = [b"x"], 0, False
            await asyncio.wait_for(app(scope, client.receive, client.send), 10)
            assert client.status in (400, 502)
        seen = len(upstream.seen)
        for _ in range(30):
            await ask(app)
        assert len(upstream.seen) > seen


async def test_a_server_whose_checks_fail_gets_nothing_until_they_pass() -> None:
    status = 200

    async def script(wire: Wire) -> None:
        while True:
            seen = await wire.read_request()
            code = status if seen.line.split()[1] == b"/healthz?deep=1" else 200
            await wire.play(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % code)

    def requests(upstream: Upstream) -> int:
        return sum(b"/healthz" not in seen.line for seen in upstream.seen)

    def checks(upstream: Upstream) -> int:
        return len(upstream.seen) - requests(upstream)

    rule = HealthCheck(
        path="/healthz?deep=1", interval_seconds=0.02, timeout_seconds=5, unhealthy_after=2, healthy_after=2
    )
    async with Upstream(script) as moody, Upstream(named(b"steady")) as steady:
        app = balanced([moody.url, steady.url], health=rule)
        await ask(app)
        await until(lambda: checks(moody) >= 2 and checks(steady) >= 2)
        status = 503
        before = checks(moody)
        await until(lambda: checks(moody) >= before + 4)
        before = requests(moody)
        assert {(await ask(app)).body for _ in range(30)} == {b"steady"}
        assert requests(moody) == before
        status = 204
        before = checks(moody)
        await until(lambda: checks(moody) >= before + 4)
        assert {(await ask(app)).body for _ in range(60)} == {b"steady", b""}
        check = next(seen for seen in moody.seen if b"/healthz" in seen.line)
        assert check.values("host") == [moody.url.removeprefix("http://").encode()]
        await app.aclose()
        await asyncio.sleep(0)
        before = checks(moody)
        await asyncio.sleep(0.1)
        assert checks(moody) <= before + 1


@pytest.mark.parametrize("fault", ["down", "silent", "noise", "redirects"])
async def test_every_way_of_not_being_well_is_found(fault: str, tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        if fault == "noise":
            await wire.play(b"nonsense\r\n\r\n")
        elif fault == "redirects":
            await wire.play(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
        else:
            await wire.closed()

    rule = HealthCheck(path="/", interval_seconds=0.02, timeout_seconds=0.1, unhealthy_after=1, highest_status=299)
    async with Upstream(script) as upstream, Upstream(named(b"well")) as well:
        url = f"unix:{tmp_path}/nobody" if fault == "down" else upstream.url
        app = balanced([url, well.url], QUICK, health=rule, fail_after=0)
        sent: list[str] = []

        async def tell(message: Message) -> None:
            sent.append(message["type"])

        messages = asyncio.Queue[Message]()
        messages.put_nowait({"type": "lifespan.startup"})
        living = asyncio.create_task(app({"type": "lifespan"}, messages.get, tell))
        await until(lambda: sent == ["lifespan.startup.complete"] and (fault == "down" or len(upstream.wires) > 1))
        found = {b""}
        async with asyncio.timeout(10):
            while found != {b"well"}:  # a check may still be under way
                found = {(await ask(app, path="/")).body for _ in range(20)}
        messages.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(living, 5)


async def test_a_unix_socket_is_a_server_like_any_other(tmp_path: Path) -> None:
    async with Upstream(always(OK), socket_path=tmp_path / "app.sock") as upstream:
        app = proxy(upstream.url)
        assert [(await ask(app)).body, (await ask(app, version="1.0", headers=[("host", "")])).body] == [b"ok", b"ok"]
    assert [seen.values("host") for seen in upstream.seen] == [[b"api.test"], [b"localhost"]]
    assert (await ask(app, "POST")).status == 502
    assert len(upstream.wires) == 1


async def test_an_upstream_may_want_a_host_of_its_own_and_the_standard_header() -> None:
    async with Upstream(always(OK)) as upstream:
        app = proxy(upstream.url, host="orders.internal", is_forwarded_told=True)
        await ask(app, headers=[("host", "api.test"), ("forwarded", "for=evil")])
        await ask(proxy(upstream.url), headers=[("host", "api.test"), ("forwarded", "for=evil")])
    first, second = upstream.seen
    assert first.values("host") == [b"orders.internal"]
    assert first.values("x-forwarded-host") == [b"api.test"]
    assert first.values("forwarded") == [b'for=192.0.2.7;host="api.test";proto=http']
    assert (second.values("host"), second.values("forwarded")) == ([b"api.test"], [])


async def test_a_name_that_resolves_to_where_credentials_are_handed_out_is_not_spoken_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dial, "is_metadata_host", lambda host: host == "127.0.0.1")
    async with Upstream(always(OK)) as upstream:
        assert (await ask(proxy(upstream.url))).status == 502
        assert (await ask(proxy(upstream.url, may_be_metadata=True))).status == 200
    assert len(upstream.seen) == 1


async def test_a_route_may_wait_less_long_than_its_upstream() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.closed()

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, UpstreamLimits(response_timeout_seconds=60))
        got = await ask(app, judged=Judged(timeout_seconds=0.05))
    assert (got.status, got.body) == (504, b"upstream_timeout req-1")


async def test_what_is_late_for_one_route_alone_is_not_held_against_a_server() -> None:
    async def script(wire: Wire) -> None:
        while True:
            if b"/slow" not in (await wire.read_request()).line:
                await wire.play(OK)

    async with Upstream(script) as one, Upstream(script) as two:
        app = balanced([one.url, two.url], fail_after=1, fail_seconds=60)
        late = [await ask(app, path="/slow", judged=Judged(timeout_seconds=0.02)) for _ in range(6)]
        before = [len(each.seen) for each in (one, two)]
        assert {(await ask(app)).status for _ in range(40)} == {200}
    assert {answer.status for answer in late} == {504}
    assert all(len(each.seen) > count for each, count in zip((one, two), before, strict=True))
