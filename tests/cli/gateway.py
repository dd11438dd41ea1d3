"""A gateway in processes of its own that lets everybody pass, over TCP, TLS or a unix socket: tests of its listener."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from gateway_auth.server.listening import free_port
from tests.cli.command import command, environment
from tests.cli.serving import children
from tests.cli.traffic import Client, Connect, Count, to_port
from tests.conformance.http2 import write_certificate

DEADLINE_SECONDS = 45.0
TLS = '[gateway.tls]\ncertificate = "server.pem"\nkey = "file:server.key"\n'

CONFIG = """
[gateway]
listen = "{listen}"
upstream = "http://127.0.0.1:{upstream}"
workers = {workers}
{more}

[secrets]
pepper = "file:pepper"

[[routes]]
id = "all"
path = "/{{rest:path}}"
access = "public"
"""


class Gateway:
    """One that runs. `connect` opens a connection to it."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, port: int, connect: Connect) -> None:
        self.process = process
        self.port = port
        self.config = folder / "gateway.toml"
        self.connect = connect
        self._log = folder / "serve.log"

    def log(self) -> list[dict[str, Any]]:
        """What it has said."""
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]

    def said(self, words: str) -> int:
        """How many lines hold these words."""
        return sum(words in line.get("message", "") for line in self.log())

    def workers(self) -> list[int]:
        """Its processes, those that are leaving among them."""
        return children(self.process.pid)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not is_so():
                assert self.process.poll() is None, self._log.read_text("utf-8")
                await asyncio.sleep(0.02)

    async def reload(self) -> None:
        """Until new workers serve."""
        before = self.said("reloaded:")
        self.process.send_signal(signal.SIGHUP)
        await self.until(lambda: self.said("reloaded:") > before)

    async def ended(self) -> int:
        """Its exit code, once it has one."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.process.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return self.process.returncode

    def change(self, old: str, new: str) -> None:
        """Edit the configuration."""
        text = self.config.read_text("utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), "utf-8")


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, upstream: int, *, workers: int = 1, more: str = "", tls: ssl.SSLContext | None = None, path: str = ""
) -> AsyncIterator[Gateway]:
    """Started and answering; `more` stands in [gateway], `path` is a unix socket instead of a port."""
    port = free_port()
    listen = f"unix:{path}" if path else f"127.0.0.1:{port}"
    pepper = folder / "pepper"
    pepper.write_text(secrets.token_urlsafe(48))
    pepper.chmod(0o600)
    text = CONFIG.format(listen=listen, upstream=upstream, workers=workers, more=more)
    (folder / "gateway.toml").write_text(text, "utf-8")
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220
            command("serve"), cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    connect = (lambda: asyncio.open_unix_connection(folder / path)) if path else to_port(port, tls)
    running = Gateway(process, folder, port, connect)
    try:
        await running.until(lambda: running.said("serves") >= workers)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, 30)
            process.kill()
            process.wait()


def tls_of(folder: Path, name: str = "server") -> ssl.SSLContext:
    """What trusts a new certificate there."""
    certificate, _ = write_certificate(folder, name)
    return ssl.create_default_context(cafile=str(certificate))


async def answered_by(running: Gateway) -> bytes:
    """The body of one request on a connection of its own."""
    client = Client(running.connect, Count())
    body = await client.get()
    await client.close()
    return body
