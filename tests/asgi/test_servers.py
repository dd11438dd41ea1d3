"""The mounted middleware on real servers: what only they can break."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asgi.world import Site

PROGRAM = """
import json
from gateway_auth import GatewayAuth
from tests.asgi.world import Echo

app = GatewayAuth(Echo(), config=json.load(open("config.json")))
"""
SERVERS = {
    "granian": ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--no-log", "--port", "{port}", "program:app"],
    "uvicorn-h11": ["uvicorn", "--http", "h11", "--no-proxy-headers", "--port", "{port}", "program:app"],
    "uvicorn-httptools": ["uvicorn", "--http", "httptools", "--no-proxy-headers", "--port", "{port}", "program:app"],
}
UPGRADE = (
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=SERVERS, ids=list(SERVERS))
def port(request: pytest.FixtureRequest, template: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with the middleware in front of an echo."""
    directory = tmp_path_factory.mktemp("server")
    site = template.copy_to(directory)
    (directory / "program.py").write_text(PROGRAM)
    (directory / "config.json").write_text(json.dumps(site.config(max_body_bytes=1000)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    command = [sys.executable, "-m", *(word.format(port=number) for word in SERVERS[request.param])]
    paths = os.pathsep.join((str(Path(__file__).resolve().parents[2]), str(directory)))
    server = subprocess.Popen(command, cwd=directory, env=os.environ | {"PYTHONPATH": paths}, stderr=subprocess.DEVNULL)
    try:
        wait_for(number)
        yield number
    finally:
        server.terminate()
        server.wait(20)


def wait_for(port: int) -> None:
    """Until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the server does not start")


def send(port: int, request_line: str, headers: str = "", body: bytes = b"") -> bytes:
    """The head of what comes back for these exact bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        head = f"{request_line} HTTP/1.1\r\nhost: api.test\r\n{headers or 'connection: close' + chr(13) + chr(10)}\r\n"
        connection.sendall(head.encode() + body)
        received = b""
        while b"\r\n\r\n" not in received and (piece := connection.recv(65536)):
            received += piece
        return received


def test_a_websocket_nobody_may_open_is_refused_and_the_server_goes_on(port: int, template: Site) -> None:
    for credential in ("", f"x-api-key: {template.keys['plain']}\r\n", "x-api-key: gwk_nonsense\r\n"):
        for path in ("/socket", "/known", "/nowhere"):
            status = send(port, f"GET {path}", UPGRADE + credential)[:12]
            assert status in (b"HTTP/1.1 401", b"HTTP/1.1 403")
            assert send(port, "GET /public")[:12] == b"HTTP/1.1 200"


def test_a_websocket_of_a_good_key_is_opened(port: int, template: Site) -> None:
    assert send(port, "GET /socket", f"{UPGRADE}x-api-key: {template.keys['reader']}\r\n")[:12] == b"HTTP/1.1 101"


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (5000, b"x" * 5000)


@pytest.mark.parametrize("length", ["", "content-length: 5\r\n"])
def test_a_chunked_body_over_the_cap_is_refused_beside_a_length_too(port: int, length: str) -> None:
    headers = f"connection: close\r\n{length}transfer-encoding: chunked\r\n"
    assert send(port, "POST /public", headers, CHUNKED)[:12] in (b"HTTP/1.1 413", b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/orders/1", 401), ("/public", 200), ("/public/../orders/1", 400), ("/public%2f", 400), ("//public", 400)],
)
def test_paths_arrive_as_they_were_sent(port: int, path: str, status: int) -> None:
    assert send(port, f"GET {path}")[:12] == f"HTTP/1.1 {status}".encode()
