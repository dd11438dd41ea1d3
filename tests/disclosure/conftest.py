"""A gateway that takes reports, over a store with one key of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from gateway_auth.config import load
from gateway_auth.server.composition import build
from tests.asgi.raw import lifespan
from tests.asgi.world import Site, build_site
from tests.disclosure.partner import Partner, keys_document

Serve = Callable[..., Awaitable[ASGIApp]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The store everybody copies."""
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    """A store of this test's own."""
    return template.copy_to(tmp_path)


@pytest.fixture(scope="session")
def partner() -> Partner:
    """Who may report."""
    return Partner()


@pytest.fixture
async def serve(site: Site, partner: Partner) -> AsyncIterator[Serve]:
    """`await serve(live=…)` is what `serve` serves, started, with these keys under [disclosure]."""
    (site.directory / "keys.json").write_bytes(keys_document(partner))
    async with AsyncExitStack() as stack:

        async def start(gateway: dict[str, Any] | None = None, **disclosure: Any) -> ASGIApp:
            table = disclosure or {"keys_file": str(site.directory / "keys.json")}
            if "keys_url" not in table:
                table.setdefault("keys_file", str(site.directory / "keys.json"))
            app = build(load({**site.config(**(gateway or {})), "disclosure": table})).app
            await stack.enter_async_context(lifespan(app))
            return app

        yield start


@pytest.fixture
async def app(serve: Serve) -> ASGIApp:
    """With the usual measures."""
    return await serve()
