"""Two workers of the standalone gateway on one port, and connections known to end at one or the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conformance.edges import ROOT, process, wait_until_ready
from tests.conformance.wire import Connection, request

PROMISE_SECONDS = 2.0
MAX_CONNECTIONS = 64

PROGRAM = str(Path(sys.executable).parent / "gateway-auth")


class Seen(NamedTuple):
    """One answer: to which key, from which worker, asked when (monotonic seconds)."""

    key: str
    worker: str
    asked_at: float
    status: int


class Wire:
    """A kept connection to one worker, told by the part of its request ids that is the worker's own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.worker = ""

    def ask(self, key: str) -> Seen:
        """One request with a key, or with a token."""
        asked_at = time.monotonic()
        is_key = key.startswith("gwk_")
        credential = ("X-API-Key", key.encode()) if is_key else ("Authorization", b"Bearer " + key.encode())
        self._connection.send(request("GET", "/client", [credential]))
        answer = self._connection.answer()
        self.worker = str(answer.value("x-request-id"))[:16]
        return Seen(key, self.worker, asked_at, answer.status)


@contextmanager
def two_workers(config: Path, port: int, log: Path) -> Iterator[None]:
    """Both running."""
    command = [PROGRAM, "serve", "-c", str(config), "--workers", "2", "--local-limits"]
    with process(command, dict(os.environ), log) as started:
        wait_until_ready(port, started, log)
        yield


@contextmanager
def wires_to_both(port: int, key: str, each: int) -> Iterator[list[Wire]]:
    """`each` kept connections to each of the two workers."""
    with ExitStack() as stack:
        by_worker: dict[str, list[Wire]] = {}
        for _ in range(MAX_CONNECTIONS):
            wire = Wire(stack.enter_context(Connection(port)))
            wire.ask(key)
            by_worker.setdefault(wire.worker, []).append(wire)
            if len(by_worker) == 2 and all(len(wires) >= each for wires in by_worker.values()):
                break
        assert len(by_worker) == 2, f"{len(by_worker)} workers answered {MAX_CONNECTIONS} connections"
        yield [wire for wires in by_worker.values() for wire in wires[:each]]


def command(config: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """One gateway-auth command; `given` on its stdin."""
    return subprocess.run(
        [PROGRAM, *words, "-c", str(config)], capture_output=True, text=True, check=False, timeout=60, input=given,
        cwd=config.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
