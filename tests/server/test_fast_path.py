"""The fast path gives every request what it gets without it: the same to the client, the same to the upstream."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway_auth.asgi.exchange import Exchange
from gateway_auth.config import load
from gateway_auth.proxy.quick import QuickExchange
from gateway_auth.server.composition import Built, build
from gateway_auth.server.http1 import ClientConnection
from gateway_auth.server.http1.cycle import Cycle
from gateway_auth.server.http1.request import RequestReader
from gateway_auth.server.in_process import serving
from tests.asgi.world import ACTOR, ROUTES, Site, build_site
from tests.proxy.servers import free_port
from tests.proxy.upstreams import Upstream, Wire

OK = b"HTTP/1.1 200 OK\r\n"
LARGE = b"x" * 300_000
PAUSE = b""
"""In an answer: long enough for the sweep to look twice."""
PAUSE_SECONDS = 0.6

ANSWERS: dict[str, list[bytes]] = {
    "plain": [OK + b"content-type: text/plain\r\ncontent-length: 2\r\n\r\nok"],
    "bare": [OK + b"content-length: 0\r\n\r\n"],
    "nothing": [b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n"],
    "unchanged": [b"HTTP/1.1 304 Not Modified\r\netag: e\r\n\r\n"],
    "teapot": [b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 1\r\n\r\nt"],
    "dated": [OK + b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok"],
    "ours": [
        OK + b"X-Request-Id: theirs\r\nratelimit: theirs\r\nratelimit-policy: theirs\r\ncontent-length: 2\r\n\r\nok"
    ],
    "twice": [OK + b"set-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok"],
    "hop": [OK + b"connection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nok"],
    "last": [OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok"],
    "old": [b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"],
    "chunks": [OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
    "to the end": [OK + b"\r\nok", b"ay"],
    "interim": [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok"],
    "halves": [OK + b"content-le", b"ngth: 4\r\n\r\nok", b"ay"],
    "late": [PAUSE, OK + b"content-length: 2\r\n\r\nok"],
    "late body": [OK + b"content-length: 4\r\n\r\nok", PAUSE, b"ay"],
    "large": [OK + b"content-length: %d\r\n\r\n" % len(LARGE), LARGE],
    "garbage": [b"nonsense\r\n\r\n"],
    "short": [OK + b"content-length: 9\r\n\r\nok"],
    "surplus": [OK + b"content-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"],
    "two lengths": [OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok"],
    "switch": [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"],
    "none": [],
}
CLOSING = frozenset(("to the end", "garbage", "short", "switch", "none", "last"))
"""After which the upstream closes."""
QUICK = frozenset(("plain", "bare", "nothing", "unchanged", "teapot", "dated", "ours", "twice", "hop", "interim"))

ONE_AT_A_TIME = {"id": "one", "path": "/known/{x}", "limits": [{"id": "one", "by": "key", "in_flight": 1}]}
LEFT = (Cycle, QuickExchange, Exchange, ClientConnection, RequestReader)
"""What holds requests and their credentials."""

_ID = re.compile(rb"[0-9a-f]{16}-\d+")
_DATE = re.compile(rb"\r\ndate: [^\r]*")
_RESET = re.compile(rb";t=\d+|retry-after: \d+")
_LENGTH = re.compile(rb"content-length: \d+")
_PORT = re.compile(rb"127\.0\.0\.1:\d+")


async def answering(wire: Wire) -> None:
    """Plays what the last segment of the path names."""
    while True:
        seen = await wire.read_request()
        name = seen.line.split(b" ")[1].partition(b"?")[0].rpartition(b"/")[2].decode().replace("-", " ")
        if name.startswith("never"):
            await wire.play(OK + b"content-length: 4\r\n\r\nok" if name == "never whole" else b"")
            await wire.closed()
            return
        for piece in ANSWERS.get(name, ANSWERS["plain"]):
            if piece == PAUSE:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await wire.play(head_of(piece) if seen.line.startswith(b"HEAD") else piece)
                await asyncio.sleep(0.01 if len(ANSWERS.get(name, "-")) > 1 else 0)
        if name in CLOSING:
            return


def head_of(piece: bytes) -> bytes:
    """The answer to HEAD, behind an interim one if that is before it."""
    start = piece.find(b"\r\n\r\n") + 4 if piece.startswith(b"HTTP/1.1 1") else 0
    return piece[: piece.find(b"\r\n\r\n", start) + 4]


@dataclass
class Gateway:
    """One that is served, and what it took on its fast path."""

    port: int
    built: Built
    upstream: Upstream
    taken: list[bool] = field(default_factory=list)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def told(self, requests: Sequence[bytes]) -> list[bytes]:
        """The answer to each, asked one after the other on one connection for as long as that lasts."""
        answers: list[bytes] = []
        while len(answers) < len(requests):
            async with self.connected() as (reader, writer):
                for request in requests[len(answers) :]:
                    writer.write(request)
                    answer = await read_answer(reader, is_to_head=request.startswith(b"HEAD"))
                    answers.append(alike(answer))
                    if b"\r\nconnection: close" in answer or reader.at_eof():
                        break
        return answers

    def counted(self) -> dict[Any, float]:
        """What only grows of its numbers."""
        return {series: value for series, value in self.built.judge.readings().items() if series[0].endswith("_total")}

    def passed(self) -> list[bytes]:
        """What went upstream, in order."""
        return [
            alike(b"\r\n".join([seen.line, *map(b": ".join, seen.headers), b"", seen.body]))
            for seen in self.upstream.seen
        ]


def alike(data: bytes) -> bytes:
    """Without what differs from one answer to the next."""
    if b"problem+json" in data:
        data = _LENGTH.sub(b"length", data)  # that of the id is in it
    for pattern, instead in ((_ID, b"ID"), (_DATE, b"\r\ndate: D"), (_RESET, b"R"), (_PORT, b"HOST")):
        data = pattern.sub(instead, data)
    return data


async def read_answer(reader: asyncio.StreamReader, *, is_to_head: bool = False) -> bytes:
    """One answer, as far as it comes."""
    try:
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            if is_to_head or head[9:12] in (b"204", b"304"):
                return head
            if b"\r\ntransfer-encoding: chunked" in head:
                return head + await reader.readuntil(b"0\r\n\r\n")
            return head + (await reader.readexactly(int(length[1])) if length else await reader.read())
    except asyncio.IncompleteReadError as error:
        return error.partial


Serve = Callable[..., Awaitable[Gateway]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The store everybody copies."""
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    """A store of this test's own."""
    return template.copy_to(tmp_path)


@pytest.fixture
async def serve(site: Site) -> AsyncIterator[Serve]:
    """`await serve(is_fast=…)` is a gateway with an upstream of its own."""
    async with AsyncExitStack() as stack:

        async def start(*, is_fast: bool = True, routes: Any = ROUTES) -> Gateway:
            upstream = await stack.enter_async_context(Upstream(answering))
            table = site.config(routes=routes, upstream=upstream.url, trusted_proxies=["127.0.0.0/8"])
            built = build(load(table | {"forward_auth": {}}))
            gateway = Gateway(free_port(), built, upstream)

            def take(cycle: Cycle) -> bool:
                gateway.taken.append(built.fast_path(cycle))
                return gateway.taken[-1]

            await stack.enter_async_context(serving(built.app, gateway.port, fast_path=take if is_fast else None))
            return gateway

        yield start


def get(path: str, key: str = "", *more: str, method: str = "GET", body: str = "") -> bytes:
    """A request as clients send it."""
    fields = ["Host: api.test", "User-Agent: t/1", "Accept: */*", *([f"X-API-Key: {key}"] if key else ()), *more]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *fields, "", body]).encode()


async def both(serve: Serve, requests: Sequence[bytes], **more: Any) -> Gateway:
    """The fast one of two gateways that were asked the same, and did the same."""
    fast, slow = await serve(**more), await serve(is_fast=False, **more)
    ours, plainly = await asyncio.gather(fast.told(requests), slow.told(requests))
    assert ours == plainly
    assert fast.passed() == slow.passed()
    assert fast.counted() == slow.counted()
    return fast


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_the_upstream_answers(serve: Serve, site: Site, name: str, method: str) -> None:
    paths = [f"/known/{name.replace(' ', '-')}", "/known/plain", f"/known/a/{name.replace(' ', '-')}?q=1"]
    again = paths if PAUSE not in ANSWERS[name] else []
    requests = [get(path, site.keys["plain"], method=method) for path in ("/known/plain", *paths, *again)]
    fast = await both(serve, requests)
    # The first of all has no connection to go on.
    if name in QUICK and method == "GET":
        assert fast.taken == [False, *[True] * (len(requests) - 1)]
    assert any(fast.taken)


async def test_whoever_asks_for_whatever(serve: Serve, site: Site) -> None:
    paths = [route["path"].replace("{id}", "1").replace("{rest:path}", "a/b") for route in ROUTES]
    requests = [get(path, key) for key in ("", "gwk_live_nobody", *site.keys.values()) for path in [*paths, "/nowhere"]]
    fast = await both(serve, requests)
    assert fast.taken.count(True) > len(requests) / 4
    assert fast.taken.count(False) > len(requests) / 4


async def test_requests_of_all_kinds(serve: Serve, site: Site) -> None:
    key = site.keys["wildcard"]
    more = [f"X-API-Key: {key}", "Cookie: a=b"]
    requests = [
        get("/known", key),
        get("/known", key, "Connection: keep-alive"),
        get("/known", key, "Connection: keep-alive"),
        get("/known/./x", key),
        get("/known//x", key),
        get("/known/%78", key),
        get("/known?a=%00", key),
        get(f"/known?api_key={key}", key),
        get("/known", key, "X-Forwarded-For: 10.1.2.3", "X-Forwarded-Proto: https"),
        get("/known", key, "X-Forwarded-For: 10.1.2.3", "X-Forwarded-Proto: https"),
        get("/inside", key, "X-Forwarded-For: 10.1.2.3"),
        get("/inside", key, "X-Forwarded-For: 10.9.2.3"),
        get("/known", key, "X-Request-Id: mine", "X-Auth-Subject: me", "X-Auth_Subject: me"),
        get("/known", "", *more),
        get("/known", "", *more, *more),
        get("/keeping", key),
        get("/keeping", key),
        get("/known", key, "Via: 1.1 gateway-auth, 1.1 gateway-auth"),
        get("/known", key, "Connection: x-drop", "X-Drop: 1"),
        get("/known", key, "Content-Length: 4", method="POST", body="body"),
        get("/known", key, "Content-Length: 0", method="POST"),
        get("/known", key, method="POST"),
        get("/known", key, "Transfer-Encoding: chunked", method="POST", body="4\r\nbody\r\n0\r\n\r\n"),
        get("/known", key, "Origin: https://a", "Access-Control-Request-Method: GET", method="OPTIONS"),
        get("/strict", key, "Origin: https://a", "Access-Control-Request-Method: GET", method="OPTIONS"),
        get("*", key, method="OPTIONS"),
        get("http://api.test/known", key),
        get("http://other.test/known", key),
        get("/known", key, "Host: api.test"),
        get("/known", key).replace(b"HTTP/1.1", b"HTTP/1.0"),
        get("/known", key, "Connection: close"),
        get("/.gateway/healthz", key),
        get("/.gateway/nothing", key),
        get("/.well-known/oauth-protected-resource", key),
        get("/known/" + "a" * 9000, key),
    ]
    fast = await both(serve, [request for each in requests for request in (each, each, get("/known", key))])
    assert fast.taken.count(True) > len(requests)


@pytest.mark.parametrize("more", [{"methods": ["GET", "OPTIONS"]}, {"access": "public"}])
async def test_a_preflight_with_the_fields_of_the_request_before(serve: Serve, site: Site, more: Any) -> None:
    fields = (site.keys["plain"], "Origin: https://a", "Access-Control-Request-Method: GET")
    asked, preflight = get("/known", *fields), get("/known", *fields, method="OPTIONS")
    route = {"id": "kept", "path": "/known", "strip_credentials": False, **more}
    await both(serve, [asked, asked, asked, preflight, preflight, preflight, asked, asked], routes=[route])


async def test_what_proxies_ask(serve: Serve, site: Site) -> None:
    def ask(path: str, key: str, *more: str) -> bytes:
        asked = [f"X-Original-URI: {path}", "X-Original-Method: GET", "X-Forwarded-For: 10.1.2.3", *more]
        return get("/.gateway/authorize", key, *asked)

    keys = site.keys
    requests = [
        ask("/known", keys["plain"]),
        ask("/known?q=1", keys["odd"]),
        ask("/orders/1", keys["plain"]),
        ask("/orders/1", keys["reader"]),
        ask("/keeping", keys["plain"]),
        ask("/limited", keys["plain"]),
        ask("/limited", keys["plain"]),
        ask("/limited", keys["plain"]),
        ask("/inside", keys["plain"]),
        ask("/shadow", keys["plain"]),
        ask("/socket", keys["reader"], "Upgrade: websocket", "Connection: upgrade"),
        ask("/public", ""),
        ask("/known", ""),
        ask("/known", keys["revoked"]),
        ask("/.gateway/authorize", keys["plain"]),
        ask("/a/../known", keys["plain"]),
        ask("/known", keys["plain"], "X-Original-URI: /public"),
        get("/.gateway/authorize", keys["plain"]),
        get("/.gateway/authorize/known", keys["plain"]),
        ask("/known", keys["plain"], "Content-Length: 4") + b"body",
        ask("/known", keys["plain"]).replace(b"GET", b"HEAD", 1),
    ]
    fast = await both(serve, [request for each in requests for request in (each, each)])
    assert fast.taken.count(True) >= 10
    assert not fast.upstream.seen


async def test_several_at_once_are_answered_in_order(serve: Serve, site: Site) -> None:
    fast = await serve()
    key = site.keys["plain"]
    await fast.told([get("/known/plain", key)])
    names = ("teapot", "plain", "late", "teapot", "nothing")
    async with fast.connected() as (reader, writer):
        writer.write(b"".join(get(f"/known/{name}", key) for name in names))
        got = [(await read_answer(reader))[9:12] for _ in names]
    assert got == [b"418", b"200", b"200", b"418", b"204"]
    assert fast.taken[1]


@pytest.mark.parametrize("name", ["never", "never-whole"])
async def test_a_client_that_leaves_is_noticed(serve: Serve, site: Site, name: str) -> None:
    fast = await serve(routes=[ONE_AT_A_TIME])
    key = site.keys["plain"]
    await fast.told([get("/known/plain", key)])
    async with fast.connected() as (_, writer):
        writer.write(get(f"/known/{name}", key))
        await until(lambda: len(fast.upstream.seen) == 2)
        assert (await fast.told([get("/known/plain", key)]))[0][9:12] == b"429"
        writer.transport.abort()
    await until(lambda: fast.upstream.wires[0].over.is_set())
    assert (await fast.told([get("/known/plain", key)]))[0][9:12] == b"200"
    assert fast.taken[1]


async def test_a_failure_of_ours_is_told(serve: Serve, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("on purpose")

    fast = await serve()
    request = get("/known/plain", site.keys["plain"])
    await fast.told([request])
    with monkeypatch.context() as patched:
        patched.setattr(Exchange, "begin_answer", fails)
        assert (await fast.told([request]))[0][9:12] == b"500"
    with monkeypatch.context() as patched:
        patched.setattr(fast.built.proxy, "start", fails)
        assert (await fast.told([request]))[0][9:12] == b"500"
    assert (await fast.told([request] * 2))[1][9:12] == b"200"
    assert fast.taken[-1]


async def test_a_failure_of_ours_holds_no_place(serve: Serve, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("on purpose")

    fast = await serve(routes=[ONE_AT_A_TIME])
    request = get("/known/plain", site.keys["plain"])
    await fast.told([request])
    with monkeypatch.context() as patched:
        patched.setattr(fast.built.proxy, "start", fails)
        assert (await fast.told([request]))[0][9:12] == b"500"
    assert (await fast.told([request]))[0][9:12] == b"200"


async def test_nothing_is_left_to_the_collector(serve: Serve, site: Site) -> None:
    fast = await serve()
    key = site.keys["plain"]
    asked = ["X-Original-URI: /known", "X-Original-Method: GET", "X-Forwarded-For: 10.1.2.3"]
    requests = [
        get("/known/plain", key), get("/known/plain", key), get("/known/chunks", key), get("/known/halves", key),
        get("/known/plain"), get("/.gateway/authorize", key, *asked), get("/.gateway/authorize", "", *asked),
        get("/known/plain", key, "no field"),
    ]  # fmt: skip
    await fast.told(requests)
    gc.collect()
    gc.disable()
    try:
        await fast.told(requests * 3)
        await until(lambda: not any(isinstance(each, LEFT) for each in gc.get_objects()))
    finally:
        gc.enable()


async def test_a_stale_connection_is_replaced(serve: Serve, site: Site) -> None:
    fast = await serve()
    requests = [get("/known/plain", site.keys["plain"])] * 2
    await fast.told(requests)
    for wire in fast.upstream.wires:
        wire.writer.close()
    assert {answer[9:12] for answer in await fast.told(requests)} == {b"200"}


async def test_a_key_that_is_disabled_is_refused_though_all_is_repeated(serve: Serve, site: Site) -> None:
    fast = await serve()
    request, status, deadline = get("/known/plain", site.keys["plain"]), b"200", 0.0
    async with fast.connected() as (reader, writer):
        while status == b"200":
            writer.write(request)
            status = (await read_answer(reader))[9:12]
            if not deadline and fast.taken[-1]:
                await disable(site, "plain")
                deadline = time.monotonic() + 2
            assert not deadline or time.monotonic() < deadline
    assert (status, fast.taken[-2:]) == (b"401", [True, False])


async def disable(site: Site, kind: str) -> None:
    store = site.open_store()
    try:
        await site.manage_keys(store).disable(ACTOR, site.ids[kind])
    finally:
        await store.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - of another part of this process
            await asyncio.sleep(0.01)
