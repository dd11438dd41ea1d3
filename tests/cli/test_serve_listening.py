"""What the listener speaks: TLS with and without HTTP/2, client certificates, unix sockets; and who counts as HTTPS."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import stat
from pathlib import Path

import pytest

from tests.cli.gateway import TLS, Gateway, answered_by, gateway, tls_of
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


HTTPS_CLAIM = b"x-forwarded-proto: https\r\n"

# trusted proxies: (what a peer of the unix socket claims, what its end is called, status) with HTTPS required
UNIX_PEERS = {
    '["10.0.0.1"]': [(HTTPS_CLAIM, "", 403), (HTTPS_CLAIM, "10.0.0.1", 403)],
    '["unix"]': [(b"", "", 403), (HTTPS_CLAIM, "", 200)],
}


@pytest.mark.parametrize("trusted", UNIX_PEERS)
async def test_a_peer_of_the_unix_socket_is_believed_only_where_the_configuration_says_so(
    tmp_path: Path, trusted: str
) -> None:
    """Also one that binds its own end to a path spelled like the address of a trusted proxy."""
    more = f"require_https = true\ntrusted_proxies = {trusted}\n"
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, more=more, path="gateway.sock"):
        for claims, name, status in UNIX_PEERS[trusted]:
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


PROXY, ANYBODY = "127.10.0.5", "127.0.0.1"

# (who asks, what it claims, whether that counts as HTTPS over plain TCP); over TLS all of it does
MATRIX = [
    (ANYBODY, "", False),
    (ANYBODY, "https", False),
    (PROXY, "", False),
    (PROXY, "http", False),
    (PROXY, "https", True),
]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
async def test_https_is_what_came_over_tls_or_what_a_trusted_proxy_says_did(tmp_path: Path, is_tls: bool) -> None:
    tls = tls_of(tmp_path) if is_tls else None
    more = f'require_https = true\ntrusted_proxies = ["{PROXY}"]\n{TLS if is_tls else ""}'
    async with sample_upstream() as upstream, gateway(tmp_path, upstream, more=more, tls=tls) as running:
        for peer, claim, is_believed in MATRIX:
            expected = (200, "request_not_allowed") if is_tls or is_believed else (403, "https_required")
            assert await asyncio.to_thread(_told, running.port, tls, peer, claim) == expected, (peer, claim)


def _told(port: int, tls: ssl.SSLContext | None, peer: str, claim: str) -> tuple[int, str]:
    """The status of a request; the code of a handshake for a WebSocket, which the route would not take anyway."""
    claims = {"X-Forwarded-Proto": claim} if claim else {}
    handshake = {
        "Connection": "upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    status, _ = _asked(port, tls, peer, claims)
    return status, json.loads(_asked(port, tls, peer, claims | handshake)[1])["code"]


def _asked(port: int, tls: ssl.SSLContext | None, peer: str, headers: dict[str, str]) -> tuple[int, bytes]:
    source = (peer, 0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=source)
    if tls is not None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, source_address=source, context=tls)
    connection.request("GET", "/", headers=headers)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found
