"""A storm of tokens that name keys nobody has, beside good requests: how often the issuer is asked, and who waits."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread

from benchmarks.figure import Figure, Sizes, percentile, show
from benchmarks.server_apps import SITE
from benchmarks.servers import Server, cores, on_core, serving
from benchmarks.signing import AUDIENCE, ISSUER, Signer, key_set
from benchmarks.world import PATH, REFERRER, describe

GOOD_PER_SECOND = 250
BAD_PER_SECOND = 500


class Issuer(ThreadingHTTPServer):
    """Serves one key set on loopback and counts how often."""

    def __init__(self, document: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.document = document
        self.fetches = 0


class _Answer(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.fetches += 1
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.document)))
        self.end_headers()
        self.wfile.write(self.server.document)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `storm`, on uvicorn."""
    signer = Signer("RS256")
    core, load_core = cores()
    with tempfile.TemporaryDirectory() as name, _issuing(Issuer(key_set(signer))) as issuer:
        site = _site(Path(name), f"http://127.0.0.1:{issuer.server_port}/jwks")
        with serving("uvicorn", "guarded", core, {SITE: str(site)}) as server, on_core(load_core):
            return asyncio.run(_measure(server, signer, issuer, sizes.storm))


def _site(directory: Path, jwks_url: str) -> Path:
    site = directory / "site.json"
    issuer = {"id": "corp", "issuer": ISSUER, "audiences": [AUDIENCE], "jwks_url": jwks_url}
    site.write_text(json.dumps(describe(directory, issuers=[issuer])), "utf-8")
    return site


@contextmanager
def _issuing(issuer: Issuer) -> Iterator[Issuer]:
    Thread(target=issuer.serve_forever, daemon=True).start()
    try:
        yield issuer
    finally:
        issuer.shutdown()
        issuer.server_close()


async def _measure(server: Server, signer: Signer, issuer: Issuer, count: int) -> list[Figure]:
    good = _request(signer.token())
    bad = [_request(signer.token(kid=f"made-up-{number}")) for number in range(count)]
    seconds = count / BAD_PER_SECOND
    calm = await _paced(server.port, [good] * int(seconds * GOOD_PER_SECOND), GOOD_PER_SECOND, expected=b"200")
    fetches, held = issuer.fetches, _resident(server.pid)
    storm = asyncio.create_task(_paced(server.port, bad, BAD_PER_SECOND, expected=b"401", many_addresses=True))
    stormy = await _paced(server.port, [good] * int(seconds * GOOD_PER_SECOND), GOOD_PER_SECOND, expected=b"200")
    await storm
    p99, quiet = percentile(stormy, 0.99), percentile(calm, 0.99)
    medians = f"medians {show(median(stormy))} and {show(median(calm))} µs"
    pace = f"{GOOD_PER_SECOND} good and {BAD_PER_SECOND} bad requests/s for {seconds:.0f} s"
    return [
        Figure("storm.fetches", issuer.fetches - fetches, f"{count:,} tokens, each with another `kid`"),
        Figure("storm.p99", p99 / quiet, f"{show(p99)} µs, alone {show(quiet)} µs; {medians}; {pace}"),
        Figure("storm.growth", (_resident(server.pid) - held) / 1e6, f"resident before {show(held / 1e6)} MB"),
    ]


async def _paced(
    port: int, requests: list[bytes], per_second: float, *, expected: bytes, many_addresses: bool = False
) -> list[float]:
    """Microseconds of each answer, requests sent one at a time at a steady pace."""
    measured: list[float] = []
    started = time.perf_counter()
    connection = await asyncio.open_connection("127.0.0.1", port)
    for number, request in enumerate(requests):
        await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
        if many_addresses and number % 10 == 0:
            # Each address may fail 20 times a minute; then the brake would end the storm.
            connection[1].close()
            local = (f"127.{1 + number // 10 % 8}.{number // 80 % 250}.{1 + number // 20000}", 0)
            connection = await asyncio.open_connection("127.0.0.1", port, local_addr=local)
        sent = time.perf_counter()
        connection[1].write(request)
        head = await connection[0].readuntil(b"\r\n\r\n")
        measured.append((time.perf_counter() - sent) * 1e6)
        await connection[0].readexactly(_length(head))
        if head[9:12] != expected:
            raise AssertionError(f"expected {expected!r}, not {head[:12]!r}")
    connection[1].close()
    return measured


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])


def _request(token: str) -> bytes:
    lines = (f"GET {PATH} HTTP/1.1", "host: api.example.com", f"authorization: Bearer {token}", f"referer: {REFERRER}")
    return "\r\n".join((*lines, "", "")).encode()


def _resident(pid: int) -> float:
    """Bytes of memory a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
