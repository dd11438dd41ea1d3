"""Who used what, written down by a running middleware; and what it writes when it stops."""

from __future__ import annotations

import time

import pytest

from gateway_auth import GatewayAuth
from gateway_auth.core.usage import UsageQuestion
from tests.asgi.raw import connect, get, lifespan, websocket_scope
from tests.asgi.world import Echo, Site

CLIENT = "198.51.100.7"


async def sums(site: Site) -> dict[tuple[str, str, int], int]:
    """All that is written."""
    store = site.open_store()
    try:
        question = UsageQuestion(since=0, until=int(time.time()) + 60, bucket_seconds=1 << 40, limit=100)
        return {(row.key_id, row.route, row.status_class): row.count for row in await store.usage_sums(question)}
    finally:
        await store.close()


async def last_used(site: Site, kind: str) -> tuple[int | None, str | None]:
    """When a key was used last, and from where."""
    store = site.open_store()
    try:
        found = (await store.read_key(site.ids[kind])).key
        assert found is not None
        return found.last_used_at, found.last_used_address
    finally:
        await store.close()


async def test_every_answer_to_a_proven_key_is_counted_by_route_and_class(site: Site, key: dict[str, str]) -> None:
    before = int(time.time())
    gateway = GatewayAuth(Echo(), config=site.config())
    async with lifespan(gateway):
        for _ in range(3):
            await get(gateway, "/known", key["reader"], client=(CLIENT, 4000))
        for _ in range(3):
            await get(gateway, "/limited", key["plain"])
        await get(gateway, "/orders/1", key["plain"])
        await get(gateway, "/known", key["disabled"])
        await get(gateway, "/public")
        await get(gateway, "/known", "gwk_live_unknown")
        await get(gateway, "/known")
    reader, plain, disabled = (site.ids[kind] for kind in ("reader", "plain", "disabled"))
    assert await sums(site) == {
        (reader, "known", 2): 3,
        (plain, "limited", 2): 2,
        (plain, "limited", 4): 1,
        (plain, "read", 4): 1,
        (disabled, "known", 4): 1,
        ("", "public", 2): 1,
    }
    at, where = await last_used(site, "reader")
    assert at is not None
    assert (before <= at <= time.time(), where) == (True, CLIENT)
    assert (await last_used(site, "disabled"))[0] is not None
    assert await last_used(site, "wildcard") == (None, None)


async def test_an_accepted_websocket_is_one_use(site: Site, key: dict[str, str]) -> None:
    gateway = GatewayAuth(Echo(), config=site.config())
    async with lifespan(gateway):
        await connect(gateway, websocket_scope("/socket", [("x-api-key", key["reader"])]))
    assert await sums(site) == {(site.ids["reader"], "socket", 1): 1}


@pytest.mark.parametrize("kind", ["reader", "plain"])
async def test_a_use_is_no_change_that_anybody_has_to_learn(site: Site, key: dict[str, str], kind: str) -> None:
    store = site.open_store()
    before = await store.current_revision()
    gateway = GatewayAuth(Echo(), config=site.config())
    async with lifespan(gateway):
        await get(gateway, "/known", key[kind])
    assert await store.current_revision() == before
    await store.close()
