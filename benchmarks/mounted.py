"""The middleware over stores in memory, in front of the smallest app, called directly. It times and counts nothing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.world import bare_app, describe, make_key
from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.adapters.memory_registry import MemoryRegistry
from gateway_auth.adapters.system import SystemClock
from gateway_auth.asgi.gate import Gate
from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.types import ASGIApp, Message
from gateway_auth.bootstrap import Gateway, assemble
from gateway_auth.bootstrap.issuer_source import IssuerSource
from gateway_auth.config import load


@asynccontextmanager
async def opened(
    sections: Mapping[str, object] | None = None, issuers: Sequence[IssuerSource] = ()
) -> AsyncIterator[tuple[Gateway, str]]:
    """A gateway of the measured site with other sections in it, and the text of a key for its demanding route."""
    with tempfile.TemporaryDirectory() as directory:
        configuration = load(describe(Path(directory), **(sections or {})))
    registry, clock = MemoryRegistry(), SystemClock()
    key = await make_key(registry, configuration)
    gateway = await assemble(
        configuration.rules,
        configuration.peppers,
        key_store=registry,
        feed=registry,
        limit_store=MemoryLimitStore(clock),
        clock=clock,
        issuers=issuers,
    )
    try:
        yield gateway, key
    finally:
        await gateway.close()


def mount(gateway: Gateway, app: ASGIApp = bare_app) -> GatewayAuth:
    """The middleware as its first request leaves it, over this gateway instead of a configured one."""
    guarded = GatewayAuth(app, config={})
    guarded._gate, guarded._loop = Gate(gateway), asyncio.get_running_loop()
    return guarded


async def send_nowhere(message: Message) -> None:
    """A server that takes everything."""
