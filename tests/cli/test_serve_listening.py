"""What the listener speaks: TLS with and without HTTP/2, client certificates, unix sockets; and who counts as HTTPS."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import ssl
import stat
from pathlib import Path

import pytest

from tests.cli.gateway import Gateway, gateway
from tests.cli.test_serve_reload import TLS, answered_by, tls_of
from tests.cli.traffic import BODY, sample_upstream, to_port
from tests.conformance.http2 import write_certificate

pytestmark = pytest.mark.slow


def spoken(running: Gateway, tls: ssl.SSLContext, protocols: list[str]) -> tuple[str | None, str | None]:
    """(TLS version, protocol) of one connection."""
    tls.set_alpn_protocols(protocols)
    with (
        socket.create_connection(("127.0.0.1", running.port), 10) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.version(), secure.selected_alpn_protocol()


async def test_tls_speaks_http2_with_who_wants_it_and_no_old_version(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, more=TLS, tls=tls) as running:
        assert await asyncio.to_thread(spoken, running, tls, ["h2", "http/1.1"]) == ("TLSv1.3", "h2")
        assert await asyncio.to_thread(spoken, running, tls, ["http/1.1"]) == ("TLSv1.3", "http/1.1")
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await asyncio.to_thread(spoken, running, tls, ["h2"]) == ("TLSv1.2", "h2")
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert not (await reader.read(64)).startswith(b"HTTP/"), "plain HTTP on a TLS port is not answered"
        writer.close()


async def test_http2_and_old_versions_can_be_turned_off(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    more = f'{TLS}http2 = false\nmin_version = "1.3"\n'
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, more=more, tls=tls) as running:
        assert await answered_by(running) == BODY
        assert await asyncio.to_thread(spoken, running, tls, ["h2", "http/1.1"]) == ("TLSv1.3", "http/1.1")
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(spoken, running, tls, ["http/1.1"])


async def test_who_shows_no_certificate_of_the_authority_gets_no_connection(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    authority = write_certificate(tmp_path, "clients", is_ca=True)
    write_certificate(tmp_path, "ours", by=authority)
    stranger = write_certificate(tmp_path, "stranger")
    async with (
        sample_upstream() as upstream,
        gateway(tmp_path, upstream, more=f'{TLS}client_ca = "clients.pem"\n', tls=tls) as running,
    ):
        assert await answered_by(running) == b""
        tls.load_cert_chain(*stranger)
        assert await answered_by(running) == b""
        ours = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        ours.load_cert_chain(tmp_path / "ours.pem", tmp_path / "ours.key")
        running.connect = to_port(running.port, ours)
        assert await answered_by(running) == BODY


async def test_a_unix_socket_for_two_workers(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    more = 'listen_mode = "0600"\n'
    async with (
        sample_upstream() as upstream,
        gateway(tmp_path, upstream, workers=2, more=more, path="gateway.sock") as running,
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await answered_by(running) == BODY
        await running.reload()
        assert await answered_by(running) == BODY
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
    assert not path.exists()


# (trusted proxies, what a peer of the unix socket claims, what its end is called, status) with HTTPS required
UNIX_PEERS = [
    ("[]", b"x-forwarded-proto: https\r\n", "", 403),
    ('["unix"]', b"", "", 403),
    ('["unix"]', b"x-forwarded-proto: https\r\n", "", 200),
    ('["10.0.0.1"]', b"x-forwarded-proto: https\r\n", "10.0.0.1", 403),
]


@pytest.mark.parametrize(("trusted", "claims", "name", "status"), UNIX_PEERS)
async def test_a_peer_of_the_unix_socket_is_believed_only_where_the_configuration_says_so(
    tmp_path: Path, trusted: str, claims: bytes, name: str, status: int
) -> None:
    """Also one that binds its own end to a path spelled like the address of a trusted proxy."""
    more = f"require_https = true\ntrusted_proxies = {trusted}\n"
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, more=more, path="gateway.sock"):
        assert await asyncio.to_thread(_status_over_unix, tmp_path, claims, name) == status


def _status_over_unix(folder: Path, claims: bytes, name: str) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        if name:
            before = os.getcwd()
            os.chdir(folder)
            try:
                client.bind(name)
            finally:
                os.chdir(before)
        client.settimeout(10)
        client.connect(str(folder / "gateway.sock"))
        client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n%b\r\n" % claims)
        return int(client.recv(64)[9:12])


# (trusted proxies, what the client claims, status over plain TCP, status over TLS) with HTTPS required
MATRIX = [
    ("[]", "", 403, 200),
    ("[]", "https", 403, 200),
    ('["127.0.0.1"]', "", 403, 200),
    ('["127.0.0.1"]', "http", 403, 200),
    ('["127.0.0.1"]', "https", 200, 200),
]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
async def test_https_is_what_came_over_tls_or_what_a_trusted_proxy_says_did(tmp_path: Path, is_tls: bool) -> None:
    tls = tls_of(tmp_path) if is_tls else None
    async with sample_upstream() as upstream:
        for trusted in ("[]", '["127.0.0.1"]'):
            more = f"require_https = true\ntrusted_proxies = {trusted}\n{TLS if is_tls else ''}"
            async with gateway(tmp_path, upstream, more=more, tls=tls) as running:
                for _, claim, plain, secure in (row for row in MATRIX if row[0] == trusted):
                    expected = secure if is_tls else plain
                    assert await asyncio.to_thread(_statuses, running.port, tls, claim) == (expected, 403), claim


def _statuses(port: int, tls: ssl.SSLContext | None, claim: str) -> tuple[int, int]:
    """Of a request and of a handshake for a WebSocket, which the route does not take."""
    found = []
    for upgrade in ({}, {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}):
        connection = (
            http.client.HTTPSConnection("localhost", port, timeout=10, context=tls)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        )
        headers = {**upgrade, **({"X-Forwarded-Proto": claim} if claim else {})}
        if upgrade:
            headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        connection.request("GET", "/", headers=headers)
        found.append(connection.getresponse().status)
        connection.close()
    return found[0], found[1]
