"""Nodes of one deployment: `gateway-auth serve` processes over one store and one Redis, and requests that race."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from tests.conformance.edges import free_port, process, wait_until_ready
from tests.conformance.upstream import Upstream
from tests.conformance.wire import Answer, Connection, request
from tests.conformance.workers import PROGRAM
from tests.conformance.world import World, make_world

LIMIT = 50
WIDE = 300
FLUSH_SECONDS = 0.1

ROUTES: list[dict[str, Any]] = [
    {"id": "counted", "path": "/counted", "access": "public", "limits": [{"rate": f"{LIMIT}/hour", "by": "address"}]},
    {"id": "strict", "path": "/strict", "access": "public",
     "limits": [{"rate": "1000/hour", "by": "address", "on_unavailable": "deny"}]},
    {"id": "wide", "path": "/wide", "access": "public", "limits": [{"rate": f"{WIDE}/hour", "by": "address"}]},
    {"id": "keys", "path": "/keys"},
]  # fmt: skip


@dataclass
class Node:
    """One `serve`, of one or several workers."""

    port: int
    config: Path
    log: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str, key: str | None = None, source: str = "127.0.0.1") -> Answer:
        with Connection(self.port, source) as connection:
            connection.send(request("GET", path, [("X-API-Key", key.encode())] if key else []))
            return connection.answer()


class Deployment:
    """A world whose nodes are started by the test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.world: World = make_world("main", folder)
        self.world.tables["routes"] = ROUTES
        self.world.tables["gateway"] = {"failed_auth": False}
        # It is the change alone that can end what is remembered of a key.
        self.world.tables["api_keys"]["cache_seconds"] = 3600
        key = folder / "encryption_key"
        key.write_bytes(base64.b64encode(os.urandom(32)))
        key.chmod(0o600)
        self.world.tables["secrets"]["encryption_key"] = f"file:{key}"
        self._stack = stack
        self._upstream = stack.enter_context(Upstream())

    def node(self, redis: str, *, workers: int = 1, timeout_seconds: float = 0.05, **gateway: object) -> Node:
        """One more, which reaches Redis at this URL. `gateway` are keys of that table."""
        port = free_port()
        name = f"node-{port}"
        self.world.tables["redis"] = {"url": redis, "timeout_seconds": timeout_seconds}
        self.world.tables["gateway"] = {"failed_auth": False, **gateway}
        config = self.world.write(name, port, free_port(), self._upstream.port)
        log = self.world.folder / f"{name}.log"
        command = [PROGRAM, "serve", "-c", str(config), "--workers", str(workers)]
        started = self._stack.enter_context(process(command, dict(os.environ), log))
        wait_until_ready(port, started, log)
        return Node(port, config, log, started)

    def forwarded(self) -> list[bytes]:
        """The targets of all requests that came to the upstream."""
        return [record.target for record in self._upstream.records]


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Ended with all its nodes."""
    with ExitStack() as stack:
        yield Deployment(folder, stack)


def race(nodes: list[Node], times: int, source: str, path: str = "/counted") -> Counter[int]:
    """The statuses of so many requests that are all sent before any answer is read, spread over the nodes."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(Connection(nodes[number % len(nodes)].port, source)) for number in range(times)
        ]
        for connection in connections:
            connection.send(request("GET", path, []))
        return Counter(connection.answer().status for connection in connections)


@contextmanager
def flushing_scripts(port: int) -> Iterator[None]:
    """The server forgets every script again and again (case 064)."""
    is_over = threading.Event()

    def flush() -> None:
        with Redis(port=port) as admin:
            while not is_over.wait(FLUSH_SECONDS):
                admin.script_flush()

    thread = threading.Thread(target=flush)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(10)


def seconds_until_refused(node: Node, key: str, since: float, patience_seconds: float = 10.0) -> float:
    """From a moment (monotonic) to the last answer other than 401."""
    last = since
    while time.monotonic() < since + patience_seconds:
        asked_at = time.monotonic()
        # Several connections, so that every worker is among those asked.
        if all(node.get("/keys", key).status == 401 for _ in range(8)):
            return last - since
        last = asked_at
    raise AssertionError("never refused")
