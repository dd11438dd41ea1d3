"""The ways in, as processes, and clients of their WebSockets."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from tests.asgi.world import ACTOR, Site
from tests.cli.command import Ended, run
from tests.conformance import toml
from tests.conformance.edges import free_port, process, stop, wait_until_ready
from tests.websockets.mounted import CONFIG
from tests.websockets.upstream import Upstream

PROXIES = ("standalone", "proxied-uvicorn")
MOUNTED = ("mounted-granian", "mounted-uvicorn")
EDGES = (*PROXIES, *MOUNTED)
SECONDS = 30.0

ROUTES: list[dict[str, Any]] = [
    {"id": "ws", "path": "/ws/{rest:path}", "websocket": True, "access": "optional"},
    {"id": "read", "path": "/read/{rest:path}", "websocket": True, "scopes": ["orders:read"]},
    {"id": "one", "path": "/one/{rest:path}", "websocket": True, "limits": [{"in_flight": 1, "by": "key"}]},
    {"id": "shadow", "path": "/shadow/{rest:path}", "websocket": True, "mode": "shadow"},
]


@dataclass
class Managed:
    """What is managed, as tests do."""

    keys: ManageKeys
    apps: ManageApps

    async def key(self, app: str | None = None, **fields: Any) -> tuple[str, str]:
        """Text and id of a new key, of an app of its own where none is given."""
        app_id = app or (await self.apps.create(ACTOR, AppFields(name="one"))).id
        created = await self.keys.create(ACTOR, app_id, "live", KeyFields(**fields))
        return created.text, created.record.id


@dataclass
class Edge:
    """One running way in, and the store behind it."""

    name: str
    port: int
    site: Site
    config: Path
    log: Path
    pid: int

    def manage(self, *arguments: str) -> Ended:
        """A command on the store, as an operator types it."""
        ended = run(*arguments, "-c", self.config, cwd=self.config.parent)
        assert ended.code == 0, ended.err
        return ended

    @asynccontextmanager
    async def management(self) -> AsyncIterator[Managed]:
        """The use cases on its store, in this process: what a command does takes most of its time to start."""
        store = self.site.open_store()
        try:
            yield Managed(self.site.manage_keys(store), ManageApps(store, SystemClock(), SystemRandom()))
        finally:
            await store.close()

    @asynccontextmanager
    async def open(self, path: str, key: str | None = None, **options: Any) -> AsyncIterator[ClientConnection]:
        """A client's WebSocket."""
        headers = [*options.pop("headers", ()), *([("x-api-key", key)] if key else ())]
        async with connect(
            f"ws://127.0.0.1:{self.port}{path}",
            additional_headers=headers,
            proxy=None,
            ping_interval=None,
            close_timeout=2,
            **{"compression": None, "max_size": None, **options},
        ) as connection:
            yield connection


@contextmanager
def serving(site: Site, upstream: Upstream, names: Iterable[str] = EDGES, **gateway: Any) -> Iterator[dict[str, Edge]]:
    """These ways in, started together, until the block ends."""
    with ExitStack() as stack:
        started = {name: _start(stack, name, site, upstream, gateway) for name in names}
        stack.callback(lambda: stop(*(server for _, server in started.values())))
        for edge, server in started.values():
            wait_until_ready(edge.port, server, edge.log)
        yield {name: edge for name, (edge, _) in started.items()}


def _start(
    stack: ExitStack, name: str, site: Site, upstream: Upstream, gateway: dict[str, Any]
) -> tuple[Edge, Popen[bytes]]:
    port = free_port()
    tables = site.config(ROUTES)
    tables["gateway"] |= {
        "listen": f"127.0.0.1:{port}", "upstream": f"http://127.0.0.1:{upstream.port}", "max_body_bytes": 2 << 20,
        **gateway,
    }  # fmt: skip
    config, log = site.directory / f"{name}-{port}.toml", site.directory / f"{name}-{port}.log"
    config.write_text(toml.dump(tables), "utf-8")
    environment = {**os.environ, CONFIG: str(config), "PYTHONWARNINGS": "default"}
    server = stack.enter_context(process(_command(name, port, config), environment, log))
    return Edge(name, port, site, config, log, server.pid), server


def _command(name: str, port: int, config: Path) -> list[str]:
    if name == "standalone":
        return [sys.executable, "-m", "gateway_auth", "serve", "-c", str(config)]
    app = f"tests.websockets.mounted:{'proxied' if name in PROXIES else 'mounted'}"
    if name == "mounted-granian":
        options = ["--interface", "asgi", "--http", "1", "--loop", "uvloop", "--no-access-log"]
        return [sys.executable, "-m", "granian", *options, "--factory", "--port", str(port), app]
    options = ["--http", "httptools", "--no-proxy-headers", "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", *options, "--factory", "--port", str(port), app]


async def closed(client: ClientConnection) -> tuple[int | None, str | None]:
    """How the gateway closes it, within the time tests have."""

    async def drain() -> None:
        while True:
            await client.recv()

    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(drain(), SECONDS)
    return client.close_code, client.close_reason


async def until(is_so: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for it; a test that waits in vain fails."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)
