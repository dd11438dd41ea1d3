"""Large bodies through the standalone proxy and through nginx, in turns: how fast, and how much memory they take."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.server_apps import SITE
from benchmarks.servers import Server, cores, serving
from benchmarks.world import describe

Move = Callable[[int, int], None]
"""From or to a port, so many bytes."""

MEGABYTE = 1_000_000
READ_BYTES = 1 << 18
SLOW_BYTES = 50 * MEGABYTE

NGINX = """
worker_processes 1;
error_log stderr crit;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream bulk {{ server 127.0.0.1:{upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://bulk;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `bulk`."""
    core, load_core = cores()
    with tempfile.TemporaryDirectory() as name, serving("bulk upstream", "", load_core, {}) as upstream:
        directory = Path(name)

        def configure(port: int) -> None:
            (directory / "nginx.conf").write_text(NGINX.format(port=port, upstream=upstream.port), "ascii")

        environment = {SITE: str(_site(directory, upstream.port))}
        with (
            serving("granian", "proxy", core, environment) as gateway,
            serving("nginx", name, core, {}, configure) as nginx,
        ):
            growth = _growth_with_a_slow_reader(gateway)
            for server in (gateway, nginx):
                _down(server.port, sizes.bulk_bytes)
                _up(server.port, sizes.bulk_bytes)
            figures = [
                _compare(f"bulk.{way}", move, gateway, nginx, sizes) for way, move in (("down", _down), ("up", _up))
            ]
    return [*figures, Figure("bulk.growth", growth, "while 50 MB come down to a client that reads slowly")]


def _site(directory: Path, upstream_port: int) -> Path:
    gateway = {"realm": "bulk", "upstream": f"http://127.0.0.1:{upstream_port}", "max_body_bytes": 2**40}
    routes = [{"id": "bulk", "path": "/bulk", "access": "public"}]
    path = directory / "site.json"
    path.write_text(json.dumps({**describe(directory), "gateway": gateway, "routes": routes}), "utf-8")
    return path


def _compare(name: str, move: Move, gateway: Server, nginx: Server, sizes: Sizes) -> Figure:
    shares, ours, theirs = [], [], []
    for _ in range(sizes.server_rounds):
        mine, other = (_rate(move, server, sizes.bulk_bytes) for server in (gateway, nginx))
        ours.append(mine)
        theirs.append(other)
        shares.append(mine / other * 100)
    note = f"{show(median(ours))} MB/s, nginx {show(median(theirs))}"
    return summarize(name, shares, lowest_is_best=False, note=note)


def _rate(move: Move, server: Server, body_bytes: int) -> float:
    """Megabytes per second."""
    started = time.perf_counter()
    move(server.port, body_bytes)
    return body_bytes / (time.perf_counter() - started) / MEGABYTE


def _down(port: int, body_bytes: int, pause_seconds: float = 0.0) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /bulk?%d HTTP/1.1\r\nhost: bulk\r\n\r\n" % body_bytes)
        buffer = bytearray(READ_BYTES)
        received = client.recv_into(buffer)
        left = body_bytes - (received - buffer.find(b"\r\n\r\n", 0, received) - 4)
        while left > 0:
            received = client.recv_into(buffer)
            if not received:
                raise AssertionError(f"the answer broke off, {left} bytes were missing")
            left -= received
            time.sleep(pause_seconds)


def _up(port: int, body_bytes: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /bulk HTTP/1.1\r\nhost: bulk\r\ncontent-length: %d\r\n\r\n" % body_bytes)
        piece = bytes(READ_BYTES)
        left = body_bytes
        while left > 0:
            client.sendall(piece[:left])
            left -= len(piece)
        if not client.recv(READ_BYTES).startswith(b"HTTP/1.1 200"):
            raise AssertionError("the body was not taken")


def _growth_with_a_slow_reader(server: Server) -> float:
    """Megabytes that the peak of resident memory rises by."""
    for _ in range(3):
        _down(server.port, MEGABYTE)
    before = server.peak_bytes()
    _down(server.port, SLOW_BYTES, pause_seconds=0.002)
    return (server.peak_bytes() - before) / MEGABYTE
