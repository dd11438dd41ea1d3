"""One document from a peer that may be slow, broken or hostile: whole, small and JSON by its type, or an outage."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_auth.adapters.issuers.fetch import MAX_BYTES, Fetcher
from gateway_auth.errors import IssuerUnavailable
from tests.adapters.issuer_server import (
    Endless,
    IssuerServer,
    Page,
    answer,
    bomb,
    broken_off,
    certified,
    dripping,
    redirect,
    silence,
)
from tests.proxy.upstreams import Upstream, Wire

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def server() -> AsyncIterator[IssuerServer]:
    async with IssuerServer() as server:
        yield server


async def get(server: IssuerServer, page: Page, *, seconds: float = 10.0, max_bytes: int = MAX_BYTES) -> bytes:
    """What comes of a page."""
    server.pages["/doc"] = page
    fetcher = Fetcher("corp", deadline_seconds=seconds, max_bytes=max_bytes)
    try:
        return await fetcher.get(f"{server.url}/doc?key=hidden", "its key set")
    finally:
        await fetcher.close()


# -- what is taken -------------------------------------------------------------------------------------------------

TAKEN: dict[str, Page] = {
    "json": answer(b"{}"),
    "with a charset": answer(b"{}", content_type="application/json; charset=utf-8"),
    "a key set": answer(b"{}", content_type="application/jwk-set+json"),
    "another +json": answer(b"{}", content_type="application/vnd.corp.keys.v2+json"),
    "in capitals": answer(b"{}", content_type="Application/JSON"),
    "identity said": answer(b"{}", more="Content-Encoding: identity\r\n"),
    "in chunks": CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    "to the end of the connection": HEAD + b"\r\n{}",
    "after 103 Early Hints": b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"{}"),
}


@pytest.mark.parametrize("page", TAKEN.values(), ids=TAKEN)
async def test_a_complete_small_json_answer_is_taken(server: IssuerServer, page: Page) -> None:
    assert await get(server, page) == b"{}"


async def test_what_is_asked_for_and_that_the_connection_ends_with_the_answer(server: IssuerServer) -> None:
    await get(server, answer(b"{}"))
    await get(server, answer(b"{}"))
    assert server.asked == ["/doc?key=hidden"] * 2
    assert len(server.wires) == 2
    [seen, _] = server.seen
    assert seen.values("accept-encoding") == [b"identity"]
    assert seen.values("connection") == [b"close"]
    assert seen.values("authorization") == seen.values("cookie") == []


async def test_cookies_are_not_kept(server: IssuerServer) -> None:
    server.pages["/doc"] = answer(b"{}", more="Set-Cookie: a=b; Path=/\r\n")
    fetcher = Fetcher("corp")
    for _ in range(2):
        await fetcher.get(f"{server.url}/doc", "its key set")
    assert server.seen[1].values("cookie") == []


async def test_proxies_of_the_environment_are_not_used(server: IssuerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream(silence) as canary:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, canary.url)
        assert await get(server, answer(b"{}")) == b"{}"
    assert canary.wires == []


async def test_the_largest_document_is_taken_and_one_byte_more_is_not(server: IssuerServer) -> None:
    assert len(await get(server, answer(b" " * MAX_BYTES))) == MAX_BYTES
    with pytest.raises(IssuerUnavailable, match=f"is longer than {MAX_BYTES} bytes"):
        await get(server, answer(b" " * (MAX_BYTES + 1)))
    with pytest.raises(IssuerUnavailable, match="is longer than"):
        await get(server, HEAD + b"\r\n" + b" " * (MAX_BYTES + 1))


# -- what is not ---------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Page, str]] = {
    "500": (answer(b"{}", status=500), "answered 500"),
    "404": (answer(b"{}", status=404), "answered 404"),
    "401": (answer(b"{}", status=401, more="WWW-Authenticate: Basic realm=x\r\n"), "answered 401"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", "answered 204"),
    "206": (answer(b"{}", status=206), "answered 206"),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "answered 304"),
    "HTML": (answer(b"<html>", content_type="text/html"), "is not JSON by its content type"),
    "text": (answer(b"{}", content_type="text/plain"), "is not JSON by its content type"),
    "octets": (answer(b"{}", content_type="application/octet-stream"), "is not JSON by its content type"),
    "a type that only contains json": (answer(b"{}", content_type="application/jsonp"), "is not JSON"),
    "json of another tree": (answer(b"{}", content_type="text/json"), "is not JSON"),
    "no type": (answer(b"{}", content_type=None), "is not JSON"),
    "two types": (answer(b"{}", more="Content-Type: text/html\r\n"), "is not JSON"),
    "gzip": (bomb(b"{}"), "is compressed"),
    "gzip bomb": (bomb(), "is compressed"),
    "deflate": (answer(b"{}", more="Content-Encoding: deflate\r\n"), "is compressed"),
    "nested encodings": (answer(b"{}", more="Content-Encoding: gzip, gzip\r\n"), "is compressed"),
    "cut off": (broken_off(answer(b"x" * 100)[:-10], by_reset=False), "RemoteProtocolError"),
    "cut off in a chunk": (CHUNKED + b"10\r\n{", "RemoteProtocolError"),
    "reset in the body": (broken_off(HEAD + b"Content-Length: 9\r\n\r\n{", by_reset=True), "Error"),
    "reset before the head": (broken_off(b"", by_reset=True), "Error"),
    "closed before the head": (b"", "RemoteProtocolError"),
    "garbage": (b"\x00\xff\x13\r\n\r\n" * 10, "RemoteProtocolError"),
    "a head that never ends": (HEAD + b"X-Long: " + b"x" * 200_000, "RemoteProtocolError"),
    "two lengths": (answer(b"{}", more="Content-Length: 3\r\n"), "RemoteProtocolError"),
    "a length that is none": (HEAD + b"Content-Length: -1\r\n\r\n{}", "RemoteProtocolError"),
    "a length of 400 digits": (HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{}", "Error|longer"),
}


@pytest.mark.parametrize(("page", "cause"), REFUSED.values(), ids=REFUSED)
async def test_everything_else_is_an_outage_told_in_one_line(server: IssuerServer, page: Page, cause: str) -> None:
    with pytest.raises(IssuerUnavailable, match=cause) as caught:
        await get(server, page)
    text = str(caught.value)
    assert text.startswith(f"issuer corp: its key set at {server.url}/doc: ")
    assert text.isprintable()
    assert "hidden" not in text


async def half_a_head(wire: Wire) -> None:
    await wire.play(HEAD)
    await wire.closed()


@pytest.mark.parametrize(
    "page",
    [silence, dripping(b"", b"H"), dripping(HEAD, b"X: 1\r\n"), dripping(CHUNKED, b"1\r\n{\r\n"), half_a_head],
    ids=["silence", "first line", "headers", "body", "half a head"],
)
async def test_a_slow_answer_ends_at_the_deadline_wherever_it_drips(server: IssuerServer, page: Page) -> None:
    with pytest.raises(IssuerUnavailable, match=r"no complete answer within 0\.3 s"):
        await get(server, page, seconds=0.3)
    await server.wires[0].ended()


async def test_a_peer_that_does_not_even_accept_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        fetcher = Fetcher("corp", deadline_seconds=0.2)
        with pytest.raises(IssuerUnavailable, match="no complete answer"):
            await fetcher.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", "its key set")


@pytest.mark.parametrize(
    "head", [CHUNKED, HEAD + b"\r\n", HEAD + b"Content-Length: 100000000\r\n\r\n"], ids=["chunks", "to the end", "told"]
)
async def test_of_a_hundred_megabytes_only_what_may_come_is_read(server: IssuerServer, head: bytes) -> None:
    page = Endless(head, b"10000\r\n" + b" " * 65536 + b"\r\n" if head is CHUNKED else b" " * 65536)
    with pytest.raises(IssuerUnavailable, match="is longer than"):
        await get(server, page)
    await server.wires[0].ended()
    assert page.sent < 20_000_000, "what was sent beyond the cap lay in the buffers of the system"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("body", [b"", b'{"keys":[]}'], ids=["empty", "with keys"])
async def test_a_redirect_is_told_and_followed_nowhere(
    server: IssuerServer, caplog: pytest.LogCaptureFixture, status: int, body: bytes
) -> None:
    async with Upstream(silence) as canary:
        with pytest.raises(IssuerUnavailable, match=f"answered {status}"):
            await get(server, redirect(status, f"{canary.url}/secret-place", body))
    assert canary.wires == []
    assert len(server.asked) == 1
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert f"redirects (status {status})" in record.message
    assert "secret-place" not in record.message


async def test_nobody_there_is_an_outage(unused_port: int) -> None:
    with pytest.raises(IssuerUnavailable, match="ConnectError"):
        await Fetcher("corp").get(f"http://127.0.0.1:{unused_port}/", "its key set")


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


UNFIT = {
    "plain http elsewhere": "http://idp.example.com/jwks",
    "loopback only by its look": "http://127.0.0.1.example.com/jwks",
    "another scheme": "file:///etc/passwd",
    "no scheme": "//127.0.0.1/jwks",
    "no host": "https:///jwks",
    "a password": "https://user:hidden@idp.example.com/jwks",
    "a backslash": "https://idp.example.com\\@127.0.0.1/jwks",
    "a line break": "https://idp.example.com/\r\nX: y",
    "a space": "https://idp.example.com/a b",
    "not ASCII": "https://idp.exämple.com/jwks",
    "a fragment": "https://idp.example.com/jwks#part",
    "port 0": "https://idp.example.com:0/jwks",
    "no port": "https://idp.example.com:port/jwks",
    "half an IPv6 address": "https://[::1/jwks",
    "too long": "https://idp.example.com/" + "a" * 2048,
    "nothing": "",
}


@pytest.mark.parametrize("address", UNFIT.values(), ids=UNFIT)
async def test_addresses_that_are_not_asked(address: str) -> None:
    with pytest.raises(IssuerUnavailable, match=r"is not (https|the address)"):
        await Fetcher("corp").get(address, "its key set")


# -- TLS -----------------------------------------------------------------------------------------------------------


async def test_a_certificate_nobody_vouches_for_is_an_outage(tmp_path: Path) -> None:
    tls, _ = certified(tmp_path)
    async with IssuerServer(tls) as server:
        with pytest.raises(IssuerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await get(server, answer(b"{}"))
    assert server.asked == []


async def test_a_certificate_that_is_trusted_serves(tmp_path: Path) -> None:
    tls, trust = certified(tmp_path)
    async with IssuerServer(tls) as server:
        server.pages["/doc"] = answer(b"{}")
        assert await Fetcher("corp", trust=trust).get(f"{server.url}/doc", "its key set") == b"{}"


async def test_a_certificate_of_another_host_is_an_outage(tmp_path: Path) -> None:
    tls, trust = certified(tmp_path)
    async with IssuerServer(tls) as server:
        address = f"{server.url}/doc".replace("127.0.0.1", "localhost")
        with pytest.raises(IssuerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await Fetcher("corp", trust=trust).get(address, "its key set")


async def test_a_server_that_speaks_no_tls_is_an_outage() -> None:
    async def script(wire: Wire) -> None:
        await wire.play(answer(b"{}"))

    async with Upstream(script) as upstream:
        with pytest.raises(IssuerUnavailable, match="Error"):
            await Fetcher("corp").get(upstream.url.replace("http:", "https:"), "its key set")


async def test_a_handshake_that_never_comes_ends_at_the_deadline() -> None:
    async with Upstream(silence) as upstream:
        fetcher = Fetcher("corp", deadline_seconds=0.2)
        with pytest.raises(IssuerUnavailable, match="no complete answer"):
            await fetcher.get(upstream.url.replace("http:", "https:"), "its key set")


async def test_a_failure_inside_the_library_is_an_outage_too(
    server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = Fetcher("corp")

    async def fail(_: object) -> None:
        raise ValueError("it said:\r\n\x1b[31m" + "x" * 10_000)

    monkeypatch.setattr(fetcher._transport, "handle_async_request", fail)
    with pytest.raises(IssuerUnavailable) as caught:
        await fetcher.get(f"{server.url}/doc", "its key set")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_trust_is_the_systems_by_default() -> None:
    context: ssl.SSLContext = Fetcher("corp")._transport._pool._ssl_context  # type: ignore[assignment]  # what it uses
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
