"""Real servers with the proxy in them, as processes, and a client that sees every byte they answer."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("http1", "granian", "uvicorn")


def free_port() -> int:
    """A port nobody listens on just now, of those the system gives to nobody by itself."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def command(server: str, port: int) -> list[str]:
    """How operators would start it."""
    if server == "http1":
        return ["tests.proxy.http1_main", str(port)]
    app = "tests.proxy.gateway_app:app"
    if server == "granian":
        return ["granian", "--interface", "asgi", "--http", "1", "--loop", "uvloop", "--port", str(port), app]
    quiet = ["--no-proxy-headers", "--no-server-header", "--no-date-header", "--no-access-log"]
    return ["uvicorn", "--http", "httptools", "--loop", "uvloop", *quiet, "--port", str(port), app]


@dataclass
class Answer:
    """A response as a client read it. `is_whole` is what its framing says, not what the client hopes."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool


class Gateway:
    """A running server."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log

    async def open(self) -> Session:
        """A new connection to it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        return Session(reader, writer)

    async def ask(self, raw: bytes) -> Answer:
        """One request on a connection of its own."""
        session = await self.open()
        try:
            await session.send(raw)
            return await asyncio.wait_for(session.answer(is_to_head=raw.startswith(b"HEAD")), 10)
        finally:
            await session.leave()

    async def peak_kilobytes(self) -> int:
        """The greatest resident memory of the process that serves, so far."""
        peak = int((await self.ask(b"GET /peak HTTP/1.1\r\nHost: a\r\n\r\n")).body)
        return peak // 1024 if sys.platform == "darwin" else peak


class Session:
    """A client's connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, raw: bytes) -> None:
        """As it is."""
        self.writer.write(raw)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and fields, lower-case, of the next final response."""
        while True:
            raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = raw[:-4].split("\r\n")
            status = int(line.split()[1])
            if status >= 200:
                return status, {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def answer(self, *, is_to_head: bool = False) -> Answer:
        """A whole response, or as much of it as came before the connection ended."""
        status, fields = await self.head()
        body = b""
        if is_to_head or status in (204, 304):
            return Answer(status, fields, body, is_whole=True)
        try:
            if fields.get("transfer-encoding") == "chunked":
                while data := await self.chunk():
                    body += data
            elif "content-length" in fields:
                length = int(fields["content-length"])
                while len(body) < length:
                    data = await self.reader.read(65536)
                    if not data:
                        return Answer(status, fields, body, is_whole=False)
                    body += data
            else:
                body = await self.reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(status, fields, body, is_whole=False)
        return Answer(status, fields, body, is_whole=True)

    async def leave(self) -> None:
        """Close."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def serving(server: str, upstream: str, log: Path, limits: str = "{}") -> AsyncIterator[Gateway]:
    """Start, wait until it answers, stop."""
    port = free_port()
    environment = {**os.environ, "UPSTREAM": upstream, "LIMITS": limits, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command(server, port), cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    gateway = Gateway(port, log)
    try:
        await _until_it_answers(gateway, process)
        yield gateway
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_it_answers(gateway: Gateway, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, gateway.log.read_text()
            with suppress(OSError, asyncio.IncompleteReadError):
                await gateway.peak_kilobytes()
                return
            await asyncio.sleep(0.05)
