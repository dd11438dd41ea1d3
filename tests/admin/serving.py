"""`gateway-auth admin` in a process of its own, and a client that speaks to it."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_auth.server.listening import free_port
from tests.cli.command import command, environment
from tests.cli.serving import START_SECONDS, STOP_SECONDS, eventually


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class AdminServer:
    """A running admin plane. `said` is every answer, as bytes."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    said: bytes = b""

    def ask(
        self, method: str, path: str, token: str = "", body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        given = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            given["Content-Type"] = "application/json"
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, body=content, headers={**given, **(headers or {})})
            response = connection.getresponse()
            answer = Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()
        self.said += repr(answer.headers).encode() + answer.body
        return answer


@contextmanager
def administering(directory: Path, host: str = "127.0.0.1") -> Iterator[AdminServer]:
    """Start it on a free port in `directory`, wait until it answers, and leave no process behind."""
    port, log = free_port(), directory.parent / "admin.log"
    words = command("admin", "--listen", f"{host}:{port}")
    with log.open("wb") as stderr:
        process = subprocess.Popen(words, cwd=directory, env=environment(), stdout=subprocess.DEVNULL, stderr=stderr)
    server = AdminServer(process, port, log)
    try:
        eventually(lambda: _answers(server), START_SECONDS)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)


def _answers(server: AdminServer) -> bool:
    assert server.process.poll() is None, server.log.read_text("utf-8")
    try:
        return server.ask("GET", "/healthz").status == 200
    except OSError:
        return False
