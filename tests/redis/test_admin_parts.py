"""The admin plane beside Redis: workers hear of its changes at once, and without Redis it works and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway_auth.bootstrap import admin
from gateway_auth.bootstrap.admin import AdminParts
from gateway_auth.config import load
from gateway_auth.core.actor import Actor
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.desk import Desk
from tests.redis.test_nudges import Worker

PEPPER = "Jr4ZbLq7Wd0xVnT9KfEy2uHs6mCa8PoG1iXv5NtB"


@asynccontextmanager
async def parts_beside(url: str, prefix: str, directory: Path) -> AsyncIterator[AdminParts]:
    """What an admin plane has open."""
    configuration = load(
        {
            "store": {"url": f"sqlite:///{directory}/gateway.db"},
            "redis": {"url": url, "key_prefix": prefix},
            "secrets": {"pepper": "env:PEPPER"},
        },
        environ={"PEPPER": PEPPER},
    )
    parts = AdminParts(configuration)
    try:
        yield parts
    finally:
        await parts.close()


async def test_a_change_is_told_and_a_look_is_not(port: int, prefix: str, tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{port}"
    async with parts_beside(url, prefix, tmp_path) as parts, Worker(url, prefix) as worker:
        desk = Desk(parts.tools, Actor(kind="cli", name="alice"))
        before = worker.looks
        assert await desk.apps.page(limit=10, after="") == []
        assert worker.looks == before
        await desk.apps.create(AppFields(name="shop"))
        await worker.looked_again(before)
        assert dict(await parts.health()) == {"store": "ok", "redis": "ok"}


async def test_without_redis_changes_are_made_and_health_says_so(tmp_path: Path) -> None:
    async with parts_beside("redis://127.0.0.1:1", "gone", tmp_path) as parts:
        made = await Desk(parts.tools, Actor(kind="cli", name="alice")).apps.create(AppFields(name="shop"))
        assert made.view["name"] == "shop"
        assert dict(await parts.health()) == {"store": "ok", "redis": "unavailable"}


async def test_health_is_looked_at_once_a_second_however_many_ask(port: int, prefix: str, tmp_path: Path) -> None:
    async with parts_beside(f"redis://127.0.0.1:{port}", prefix, tmp_path) as parts:
        first = await parts.health()
        assert await parts.health() is first
        parts._looked_at -= admin.LOOK_SECONDS
        second = await parts.health()
        assert second is not first
        assert second == first
