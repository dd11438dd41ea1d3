"""The store of the middleware's tests, and forward-auth on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway_auth.forward_auth import ForwardAuth
from tests.asgi.raw import lifespan
from tests.asgi.world import ROUTES, Site, Table, build_site

Ask = Callable[..., Awaitable[ForwardAuth]]
PROXY = "192.0.2.7"
"""Where the scopes of these tests come from."""
MORE_ROUTES: tuple[Table, ...] = (
    *ROUTES,
    {"id": "everything", "path": "/files/{rest:path}", "access": "public"},
    {"id": "all", "path": "/{rest:path}", "methods": ["QUERY"], "access": "public"},
    {"id": "by-address", "path": "/by-address", "access": "public", "limits": [{"rate": "1/hour", "by": "address"}]},
)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The store everybody copies."""
    return build_site(tmp_path_factory.mktemp("asked"))


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    """A store of this test's own."""
    return template.copy_to(tmp_path)


@pytest.fixture
async def start(site: Site) -> AsyncIterator[Ask]:
    """`await start(proxy="nginx", realm=…)` is forward-auth for that proxy, started."""
    async with AsyncExitStack() as stack:

        async def begin(proxy: str | None = None, **gateway: Any) -> ForwardAuth:
            config = site.config(MORE_ROUTES, **{"trusted_proxies": [f"{PROXY}/32"], **gateway})
            if proxy is not None:
                config["forward_auth"] = {"proxy": proxy}
            app = ForwardAuth(config)
            await stack.enter_async_context(lifespan(app))
            return app

        yield begin
