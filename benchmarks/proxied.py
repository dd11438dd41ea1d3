"""A request through `serve`'s connection, the fast path and the proxy, with nothing behind its two sockets.

Bytes go in where the event loop would bring them, and come out where it would take them. Times and counts nothing.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from benchmarks.mounted import mount
from benchmarks.upstream import ANSWER
from benchmarks.varied import request_bytes
from benchmarks.world import PATH, REFERRER, describe
from gateway_auth.asgi.respond import send_problem
from gateway_auth.bootstrap import Gateway
from gateway_auth.config import load
from gateway_auth.forward_auth import Answering, ForwardAuth
from gateway_auth.proxy import ProxyApp, parse_upstream
from gateway_auth.proxy.dial import Dialler
from gateway_auth.server.fast_path import FastPath
from gateway_auth.server.http1 import ClientConnection, Connections

UPSTREAM = "http://127.0.0.1:9"


class Wire(asyncio.Transport):
    """A socket nobody reads from: what was written last."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__(
            {"socket": end, "peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "sslcontext": None}
        )
        self.written = b""

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written = data

    def get_write_buffer_size(self) -> int:
        """All is gone at once."""
        return 0

    def is_closing(self) -> bool:
        """Never."""
        return False

    def abort(self) -> None:
        """Nothing to end."""


class Proxied:
    """`put` sends one request of a client and has it answered by the upstream."""

    def __init__(self, client: ClientConnection, to_client: Wire, key: str) -> None:
        self._client = client
        self._to_client = to_client
        self._headers = {"x-api-key": key, "accept": "*/*", "user-agent": "benchmark/1.0", "referer": REFERRER}
        self._number = 0
        self.upstreams: list[asyncio.Protocol] = []

    def alike(self) -> bytes:
        """A request whose fields are those of the one before it."""
        return request_bytes(PATH, self._headers)

    def unlike(self) -> bytes:
        """One with fields of its own."""
        self._number += 1
        return request_bytes(PATH, {**self._headers, "traceparent": f"00-{self._number:032x}-{self._number:016x}-01"})

    def put(self, request: bytes) -> bytes:
        """The answer to it."""
        self._client.data_received(request)
        self.upstreams[-1].data_received(ANSWER)
        return self._to_client.written


@asynccontextmanager
async def proxied(gateway: Gateway, key: str) -> AsyncIterator[Proxied]:
    """One client's connection and one to an upstream, over this gateway."""
    with tempfile.TemporaryDirectory() as directory:
        configuration = load(describe(Path(directory)))
    near, far = socket.socketpair()
    proxy = ProxyApp(parse_upstream(UPSTREAM), respond=send_problem)
    judge = mount(gateway, Answering(proxy))
    connections = Connections(judge, max_connections=9, refusal=lambda _: b"", failure=lambda: b"")
    connections.fast_path = FastPath(judge, proxy, ForwardAuth(configuration, judge=judge))
    state = SimpleNamespace(connections=set(), tasks=set())
    client = connections.open(cast(Any, None), cast(Any, state), {})
    wire = Wire(near)
    found = Proxied(client, wire, key)

    async def open_here(_: Dialler, protocol: asyncio.Protocol, _seconds: float) -> None:
        protocol.connection_made(Wire(far))
        found.upstreams.append(protocol)

    with near, far, patch.object(Dialler, "open", open_here):
        client.connection_made(wire)
        client.data_received(found.alike())
        while not found.upstreams:  # noqa: ASYNC110 - the first request takes a task, and opens the connection
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        found.upstreams[-1].data_received(ANSWER)
        while not wire.written:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield found
        client.connection_lost(None)
        await proxy.aclose()
        connections.close()
