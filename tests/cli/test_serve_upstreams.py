"""`serve` in front of a group of servers: over TLS and a unix socket, one of them down, and what they get to see."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.command import Workspace
from tests.cli.serving import serving
from tests.proxy.certificates import Authority
from tests.proxy.servers import Gateway, Session
from tests.proxy.upstreams import OK, Upstream, Wire, always

pytestmark = pytest.mark.slow

GROUP = """
[upstreams.app]
servers = ["{down}", "{tls}", "unix:{socket}"]
host = "app.internal"
tls = {{ ca_file = "authority.pem" }}
health = {{ path = "/check", interval_seconds = 0.1 }}
forwarded = true

[[routes]]
id = "orders-write"
path = "/v1/orders"
methods = ["POST"]
scopes = ["orders:read"]
timeout_seconds = 2
"""


@pytest.fixture
def key(workspace: Workspace) -> bytes:
    """One that may read orders."""
    workspace.app()
    text: str = workspace.key("shop", "--scope", "orders:read")["key"]
    return text.encode()


@asynccontextmanager
async def served(workspace: Workspace) -> AsyncIterator[Gateway]:
    """The command, started and stopped while this loop plays upstream."""
    running = serving(workspace.directory)
    server = await asyncio.to_thread(running.__enter__)
    try:
        yield Gateway(server.port, server.log)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


def with_group(workspace: Workspace, *, tls: str, socket_path: Path) -> None:
    """Its configuration forwards to the group."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{unused.getsockname()[1]}"
    workspace.change('upstream = "http://127.0.0.1:9000"', 'upstream = "app"')
    text = workspace.config.read_text("utf-8")
    workspace.config.write_text(text + GROUP.format(down=down, tls=tls, socket=socket_path), "utf-8")


async def test_a_group_is_served_and_each_server_sees_what_was_judged(
    workspace: Workspace, key: bytes, tmp_path: Path
) -> None:
    authority = Authority(workspace.directory)
    over_unix = Upstream(always(OK), socket_path=tmp_path / "app.sock")
    async with Upstream(always(OK), tls=authority.server("127.0.0.1")) as over_tls, over_unix:
        with_group(workspace, tls=over_tls.url, socket_path=tmp_path / "app.sock")
        async with served(workspace) as gateway:
            raw = b"GET /v1/orders/1 HTTP/1.1\r\nHost: api.test\r\nX-Api-Key: %b\r\n\r\n" % key
            answers = [await gateway.ask(raw) for _ in range(30)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"ok")}
    for upstream in (over_tls, over_unix):
        checks = [seen for seen in upstream.seen if seen.line == b"GET /check HTTP/1.1"]
        requests = [seen for seen in upstream.seen if seen.line == b"GET /v1/orders/1 HTTP/1.1"]
        assert checks
        assert requests
        assert {(*seen.values("host"), *seen.values("x-forwarded-host")) for seen in requests} == {
            (b"app.internal", b"api.test")
        }
        assert requests[0].values("forwarded") == [b'for=127.0.0.1;host="api.test";proto=http']
        assert not [seen for seen in upstream.seen if key in b"".join(value for _, value in seen.headers)]
    assert answers[0].headers["via"] == "1.1 gateway-auth"


async def test_expect_100_continue_is_answered_after_the_verdict_and_a_route_has_its_own_timeout(
    workspace: Workspace, key: bytes, tmp_path: Path
) -> None:
    async def script(wire: Wire) -> None:
        while True:
            seen = await wire.read_request()
            if seen.body != b"hang":
                await wire.play(OK)

    authority = Authority(workspace.directory)
    over_unix = Upstream(script, socket_path=tmp_path / "app.sock")
    async with Upstream(script, tls=authority.server("127.0.0.1")) as over_tls, over_unix:
        with_group(workspace, tls=over_tls.url, socket_path=tmp_path / "app.sock")
        async with served(workspace) as gateway:
            head = b"POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nX-Api-Key: "
            refused = await gateway.ask(head + key[:-1] + b"\r\n\r\n")
            seen_then = [seen.line for upstream in (over_tls, over_unix) for seen in upstream.seen]
            session = await gateway.open()
            assert await first_line(session, head + key + b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n"
            await session.send(b"body")
            taken = await asyncio.wait_for(session.answer(), 10)
            await session.leave()
            late = await gateway.ask(head + key + b"\r\n\r\nhang")
    assert (refused.status, taken.status, late.status) == (401, 200, 504)
    assert {line for line in seen_then if not line.startswith(b"GET /check")} == set()
    bodies = [seen for upstream in (over_tls, over_unix) for seen in upstream.seen if seen.body]
    assert sorted(seen.body for seen in bodies) == [b"body", b"hang"]
    assert not [seen for seen in bodies if seen.values("expect")]


async def first_line(session: Session, raw: bytes) -> bytes:
    """Send, and read the first line of whatever comes."""
    await session.send(raw)
    line = await asyncio.wait_for(session.reader.readuntil(b"\r\n"), 10)
    await session.reader.readuntil(b"\r\n")
    return line


def test_certificates_that_cannot_be_used_stop_the_start_and_the_doctor_tells_before(workspace: Workspace) -> None:
    (workspace.directory / "authority.pem").write_text("no certificate")
    with_group(workspace, tls="https://127.0.0.1:9", socket_path=Path("/run/app.sock"))
    ended = workspace.call("serve")
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.error_lines
    assert line.startswith("gateway-auth: upstreams.app: tls.ca_file holds no certificates (PEM)")
    assert "tls.ca_file holds no certificates" in workspace.call("doctor").out
