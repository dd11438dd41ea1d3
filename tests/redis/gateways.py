"""Whole gateways over a Redis that fails on command: the middleware around an app, over a store with keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

from gateway_auth import GatewayAuth
from gateway_auth.bootstrap import Gateway
from gateway_auth.bootstrap.shared import Shared
from tests.asgi.raw import Answer, get, lifespan
from tests.asgi.world import Echo, Site

LIMIT = 10
ENCRYPTION_KEY = "GATEWAY_AUTH_ENCRYPTION_KEY"


def _limit(name: str, mode: str, count: int = LIMIT) -> dict[str, Any]:
    return {"id": name, "rate": f"{count}/hour", "by": "key", "on_unavailable": mode}


ROUTES: list[dict[str, Any]] = [
    {"id": "local", "path": "/local", "limits": [_limit("local", "local")]},
    {"id": "deny", "path": "/deny", "limits": [_limit("deny", "deny")]},
    {"id": "allow", "path": "/allow", "limits": [_limit("allow", "allow", 1)]},
    {"id": "both", "path": "/both", "limits": [_limit("a", "allow", 1000), _limit("l", "local")]},
    {"id": "all", "path": "/all", "limits": [_limit("a", "allow", 1000), _limit("l", "local"), _limit("d", "deny")]},
]


class Running:
    """A started gateway. `ask` sends one request with the plain key."""

    def __init__(self, app: GatewayAuth, gateway: Gateway, site: Site) -> None:
        assert gateway.shared is not None
        self.gateway = gateway
        self.shared: Shared = gateway.shared
        self._app = app
        self._site = site

    async def ask(self, path: str, key: str = "plain") -> Answer:
        return await get(self._app, path, self._site.keys[key])

    async def statuses(self, path: str, times: int) -> list[int]:
        return [(await self.ask(path)).status for _ in range(times)]


@asynccontextmanager
async def running(
    site: Site,
    url: str,
    prefix: str,
    *,
    timeout_seconds: float = 0.05,
    routes: list[dict[str, Any]] | None = None,
    app: ASGIApp | None = None,
    **gateway: Any,
) -> AsyncIterator[Running]:
    """From the start to the end of the lifespan."""
    source = site.config(ROUTES if routes is None else routes, **gateway)
    source["redis"] = {"url": url, "key_prefix": prefix, "timeout_seconds": timeout_seconds}
    source["secrets"]["encryption_key"] = f"env:{ENCRYPTION_KEY}"
    guarded = GatewayAuth(app or Echo(), config=source)
    async with lifespan(guarded):
        yield Running(guarded, await guarded._runtime.start(), site)
