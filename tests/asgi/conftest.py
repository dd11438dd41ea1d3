"""The store all tests start from, and the middleware mounted on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from gateway_auth import GatewayAuth
from tests.asgi.raw import lifespan
from tests.asgi.world import Echo, Mount, Site, build_site


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The store everybody copies."""
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    """A store of this test's own, with one key of every kind."""
    return template.copy_to(tmp_path)


@pytest.fixture
def key(site: Site) -> dict[str, str]:
    """The texts of the keys by kind."""
    return site.keys


@pytest.fixture
def app() -> Echo:
    """The app behind, which remembers what reached it."""
    return Echo()


@pytest.fixture
async def mount(site: Site) -> AsyncIterator[Mount]:
    """`await mount(app, routes=…, realm=…)` is the middleware around an app, started."""
    async with AsyncExitStack() as stack:

        async def start(app: ASGIApp, config: Any = None, **changes: Any) -> GatewayAuth:
            gateway = GatewayAuth(app, config=config if config is not None else site.config(**changes))
            await stack.enter_async_context(lifespan(gateway))
            return gateway

        yield start


@pytest.fixture
async def gateway(mount: Mount, app: Echo) -> GatewayAuth:
    """The middleware with the usual routes, started, around `app`."""
    return await mount(app)
