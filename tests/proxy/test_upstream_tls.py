"""TLS towards upstreams: who is believed, what is shown, and what a cut connection looks like."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway_auth.core.upstream import TlsFiles, UpstreamLimits
from gateway_auth.proxy import InvalidUpstream, tls_context
from gateway_auth.proxy.failures import ResponseBroken
from tests.proxy.asgi_client import QUICK, Client, ask, proxy, scope_of, until
from tests.proxy.certificates import PASSWORD, Authority
from tests.proxy.upstreams import OK, Script, Upstream, Wire, always

Run = Callable[[Coroutine[Any, Any, None]], None]
LOOPS: dict[str, Run] = {"asyncio": asyncio.run, "uvloop": uvloop.run}
both_loops = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that the proxy is told of."""
    return Authority(tmp_path)


def trusting(authority: Authority, **fields: str) -> TlsFiles:
    """The files of an upstream."""
    return TlsFiles(ca_file=str(authority.ca_file), **fields)


@both_loops
def test_a_server_of_the_private_authority_is_spoken_to_over_connections_that_stay(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        asked_for: list[str | None] = []
        context = authority.server("orders.internal", "127.0.0.1")
        context.sni_callback = lambda _connection, name, _context: asked_for.append(name)
        async with Upstream(always(OK), tls=context) as upstream:
            app = proxy(upstream.url, tls=trusting(authority, server_name="orders.internal"))
            assert [(await ask(app, "POST")).body for _ in range(3)] == [b"ok"] * 3
            spoken = upstream.wires[0].writer.get_extra_info("ssl_object")
            assert (spoken.selected_alpn_protocol(), spoken.version()) == ("http/1.1", "TLSv1.3")
            await app.aclose()
        assert (asked_for, len(upstream.wires)) == (["orders.internal"], 1)

    run(scenario())


async def test_without_a_server_name_the_certificate_is_for_the_address(authority: Authority) -> None:
    async with Upstream(always(OK), tls=authority.server("127.0.0.1")) as upstream:
        app = proxy(upstream.url, tls=trusting(authority))
        assert (await ask(app)).status == 200
        await app.aclose()


async def answers_without_tls(wire: Wire) -> None:
    """As a server does that takes a handshake for a bad request."""
    await wire.play(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await wire.closed()


@both_loops
@pytest.mark.parametrize("fault", ["another authority", "another name", "ended", "the system's authorities", "no TLS"])
def test_a_server_that_does_not_prove_who_it_is_gets_nothing(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture, run: Run, fault: str
) -> None:
    stranger = Authority(tmp_path, "stranger")
    context: ssl.SSLContext | None = {
        "another authority": stranger.server("127.0.0.1"),
        "another name": authority.server("localhost", "127.0.0.2"),
        "ended": authority.server("127.0.0.1", days=-1),
        "the system's authorities": authority.server("127.0.0.1"),
    }.get(fault)
    files = TlsFiles() if fault == "the system's authorities" else trusting(authority)

    async def scenario() -> None:
        script = always(OK) if context is not None else answers_without_tls
        async with Upstream(script, tls=context) as upstream:
            app = proxy(upstream.url.replace("http:", "https:"), tls=files)
            got = await ask(app, "POST", "/", [("content-length", "6")], pieces=[b"secret"])
            assert (got.status, got.body, upstream.seen) == (502, b"upstream_unavailable req-1", [])

    with caplog.at_level(logging.WARNING):
        run(scenario())
    told = caplog.messages[-1].lower()
    assert ("certificate verify failed" in told) is (fault != "no TLS")


@both_loops
def test_a_client_certificate_is_shown_where_there_is_one(authority: Authority, run: Run) -> None:
    certificate, key = authority.issue("gateway")

    async def scenario() -> None:
        context = authority.server("127.0.0.1", asks_for=authority)
        async with Upstream(always(OK), tls=context) as upstream:
            with_one = trusting(authority, client_certificate=str(certificate), client_key=str(key))
            app, without = proxy(upstream.url, tls=with_one), proxy(upstream.url, tls=trusting(authority))
            assert [(await ask(app)).status, (await ask(without)).status] == [200, 502]
            await app.aclose()

    run(scenario())


def test_files_that_cannot_be_used_are_told_at_once(authority: Authority, tmp_path: Path) -> None:
    certificate, key = (str(path) for path in authority.issue("gateway"))
    other_key = str(authority.issue("other")[1])
    locked, locked_key = (str(path) for path in authority.issue("locked", password=PASSWORD))
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for files, words in (
        (TlsFiles(ca_file=str(tmp_path / "absent.pem")), "tls.ca_file"),
        (TlsFiles(ca_file=str(empty)), "tls.ca_file"),
        (TlsFiles(client_certificate=certificate, client_key=other_key), "(?i)mismatch"),
        (TlsFiles(client_certificate=locked, client_key=locked_key), "without one"),
        (TlsFiles(client_certificate=str(empty), client_key=key), "tls.client_certificate"),
    ):
        with pytest.raises(InvalidUpstream, match=words):
            tls_context(files)


def ended(start: bytes, *, politely: bool) -> Script:
    """Answers with a beginning, then ends TLS as it should, or ends TCP under it as anybody on the way can."""

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.play(start)
        if not politely:
            with socket.socket(fileno=os.dup(wire.writer.get_extra_info("socket").fileno())) as under:
                under.shutdown(socket.SHUT_WR)
            await wire.closed()

    return script


@pytest.mark.parametrize(
    ("run", "politely", "is_whole"),
    [(uvloop.run, True, True), (uvloop.run, False, False), (asyncio.run, False, False), (asyncio.run, True, False)],
    ids=["uvloop", "uvloop, cut", "asyncio, cut", "asyncio, which cannot tell"],
)
def test_a_body_without_length_is_whole_only_when_tls_was_ended(
    authority: Authority, run: Run, politely: bool, is_whole: bool
) -> None:
    async def scenario() -> None:
        script = ended(b"HTTP/1.1 200 OK\r\n\r\nhalf", politely=politely)
        async with Upstream(script, tls=authority.server("127.0.0.1")) as upstream:
            client = Client(pieces=[b""])
            app = proxy(upstream.url, tls=trusting(authority))
            with suppress(ResponseBroken):
                await asyncio.wait_for(app(scope_of(), client.receive, client.send), 10)
            # Where the end comes with the beginning it can still be answered with an error.
            assert client.status in ((200,) if is_whole else (200, 502))
            assert (client.status == 200 and client.is_complete) is is_whole

    run(scenario())


@both_loops
def test_megabytes_pass_both_ways_and_a_slow_client_slows_the_server(authority: Authority, run: Run) -> None:
    body = bytes(range(256)) * 4096 * 4

    async def script(wire: Wire) -> None:
        seen = await wire.read_request()
        await wire.play(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(seen.body))
        await wire.play(seen.body)

    async def scenario() -> None:
        async with Upstream(script, tls=authority.server("127.0.0.1")) as upstream:
            pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)]
            client = Client(pieces=pieces)
            client.may_take.clear()
            app = proxy(upstream.url, tls=trusting(authority))
            scope = scope_of("POST", headers=[("content-length", str(len(body)))])
            passing = asyncio.create_task(app(scope, client.receive, client.send))
            await asyncio.sleep(0.1)
            client.may_take.set()
            await asyncio.wait_for(passing, 30)
        assert (client.body == body, client.is_complete) == (True, True)

    run(scenario())


@both_loops
def test_a_handshake_that_does_not_end_is_given_up_and_its_connection_closed(run: Run) -> None:
    async def script(wire: Wire) -> None:
        await wire.closed()

    async def scenario() -> None:
        async with Upstream(script) as upstream:
            app = proxy(upstream.url.replace("http:", "https:"), QUICK)
            got = await ask(app)
            await upstream.wires[0].ended()
        assert (got.status, got.body, len(upstream.wires)) == (504, b"upstream_timeout req-1", 1)

    run(scenario())


@both_loops
def test_a_client_that_leaves_during_a_handshake_leaves_no_connection(run: Run) -> None:
    async def script(wire: Wire) -> None:
        await wire.closed()

    async def scenario() -> None:
        async with Upstream(script) as upstream:
            app = proxy(upstream.url.replace("http:", "https:"), UpstreamLimits(connect_timeout_seconds=60))
            asking = asyncio.create_task(ask(app))
            await until(lambda: len(upstream.wires) == 1)
            asking.cancel()
            await upstream.wires[0].ended()

    run(scenario())
