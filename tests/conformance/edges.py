"""The ways in, each a real server in a process of its own on a free port of loopback."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from tests.conformance.record import Record, check, from_json
from tests.conformance.server_apps import CONFIG, RECORDS
from tests.conformance.upstream import Upstream
from tests.conformance.wire import Connection, request
from tests.conformance.world import World

ROOT = Path(__file__).resolve().parents[2]
MOUNTED = ("mounted-granian", "mounted-uvicorn", "mounted-http1")
PROXIES = ("standalone", "proxied-uvicorn")
EDGES = MOUNTED + PROXIES
START_SECONDS = 30.0

_addresses = count(1)


def fresh_address() -> str:
    """A loopback address nobody has used, outside every network the worlds name: nothing is counted on it yet."""
    number = next(_addresses)
    return f"127.{100 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def free_port() -> int:
    """A port nobody listens at, from below those the system gives to outgoing connections: those come and go."""
    while True:
        port = 11_000 + secrets.randbelow(21_000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


class Edge:
    """One running way in. `take_records` is what the protected side saw since it was last asked."""

    def __init__(self, name: str, world: World, port: int, log: Path, upstream: Upstream | Path) -> None:
        self.name = name
        self.world = world
        self.port = port
        self.is_proxy = name not in MOUNTED
        self.is_rewriting = name in EDGES
        """Whether the gateway itself passes on the request, its path in canonical form."""
        self.log_file = log
        self._upstream = upstream
        self._seen = 0
        self._broken = 0

    def take_records(self, *, keeps_credentials: bool = False) -> list[Record]:
        """Each checked for what must always be true."""
        if isinstance(self._upstream, Upstream):
            records = self._upstream.records[self._seen :]
            self._seen += len(records)
        else:
            data = self._upstream.read_bytes() if self._upstream.exists() else b""
            records = [from_json(line) for line in data[self._seen :].splitlines()]
            self._seen = len(data)
        for record in records:
            check(record, self.world.secrets, keeps_credentials=keeps_credentials)
        return records

    def take_broken(self) -> list[bytes]:
        """What arrived at an upstream and was no whole request."""
        if not isinstance(self._upstream, Upstream):
            return []
        broken = self._upstream.broken[self._broken :]
        self._broken += len(broken)
        return broken

    def log(self) -> bytes:
        """All the server has said so far."""
        return self.log_file.read_bytes()


@contextmanager
def serving(world: World, names: tuple[str, ...] = EDGES) -> Iterator[dict[str, Edge]]:
    """Start these edges of a world together; stop them at the end."""
    with ExitStack() as stack:
        edges: dict[str, Edge] = {}
        processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in names:
            port = free_port()
            log = world.folder / f"{name}-{port}.log"
            upstream: Upstream | Path = world.folder / f"{name}-{port}.records"
            if name in PROXIES:
                upstream = stack.enter_context(Upstream())
            behind = upstream.port if isinstance(upstream, Upstream) else None
            config = world.write(f"{name}-{port}", port, free_port(), behind)
            environment = {**os.environ, CONFIG: str(config), RECORDS: str(upstream)}
            processes[name] = stack.enter_context(process(command(name, port, config), environment, log))
            edges[name] = Edge(name, world, port, log, upstream)
        stack.callback(lambda: stop(*processes.values()))
        for name, edge in edges.items():
            wait_until_ready(edge.port, processes[name], edge.log_file)
        yield edges


def command(name: str, port: int, config: Path) -> list[str]:
    """The words that start a way in."""
    app = f"tests.conformance.server_apps:{'mounted' if name in MOUNTED else 'proxied'}"
    if name == "standalone":
        return [str(Path(sys.executable).parent / "gateway-auth"), "serve", "-c", str(config), "--log-level", "debug"]
    if name == "mounted-granian":
        options = ["--interface", "asgi", "--http", "1", "--loop", "uvloop", "--no-access-log", "--log-level", "debug"]
        return [sys.executable, "-m", "granian", *options, "--factory", "--port", str(port), app]
    protocol = "gateway_auth.uvicorn:Http1" if name == "mounted-http1" else "httptools"
    options = ["--http", protocol, "--no-proxy-headers", "--no-access-log", "--log-level", "debug"]
    return [sys.executable, "-m", "uvicorn", *options, "--factory", "--port", str(port), app]


@contextmanager
def process(words: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, its output in `log`."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            words, cwd=log.parent, env={**environment, "PYTHONPATH": str(ROOT)}, stdout=output, stderr=output
        )
    try:
        yield started
    finally:
        stop(started)


def stop(*started: subprocess.Popen[bytes]) -> None:
    """All together: each takes a moment to leave."""
    running = [each for each in started if each.poll() is None]
    for each in running:
        each.send_signal(signal.SIGTERM)
    for each in running:
        try:
            each.wait(10)
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()


def wait_until_ready(port: int, started: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers HTTP."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert started.poll() is None, f"the server ended: {log.read_text()}"
        try:
            with Connection(port) as connection:
                connection.send(request("GET", "/not/routed", []))
                connection.answer()
                return
        except (OSError, AssertionError):
            time.sleep(0.05)
    raise AssertionError(f"no answer after {START_SECONDS} s: {log.read_text()}")
