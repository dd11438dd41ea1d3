"""The admin plane over SQLite: who writes at once, and what a developer finds, as over the registry in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from tests.adapters.stores import sql_store, sqlite_url
from tests.admin.world import AdminWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AdminWorld]:
    async with sql_store(sqlite_url(tmp_path)) as store:
        world = AdminWorld(registry=store)
        await world.populate()
        yield world
        await world.close()
        verdict = await verify_audit(store)
        assert isinstance(verdict, Verified)


async def test_one_creation_and_one_winner_of_many_at_once(world: AdminWorld) -> None:
    app = await world.an_app("dev")
    once = {"idempotency-key": "k"}
    made = await asyncio.gather(
        *(world.ask("POST", "/api/v1/keys", {"app_id": app.id}, role="developer", headers=once) for _ in range(6))
    )
    assert {one.status_code for one in made} == {201}
    assert len({one.content for one in made}) == 1
    key = made[0].json()
    assert (await world.keys.verify(key["key"])).outcome == "valid"
    path = f"/api/v1/keys/{key['id']}"
    seen = {"if-match": (await world.ask("GET", path)).headers["etag"]}
    changed = await asyncio.gather(
        *(world.ask("PATCH", path, {"name": f"n{number}"}, headers=seen) for number in range(6))
    )
    assert sorted(one.status_code for one in changed) == [200, *[412] * 5]


async def test_a_developer_pages_through_its_own(world: AdminWorld) -> None:
    own, foreign = await world.an_app("dev"), await world.an_app("somebody")
    ids = sorted([(await world.a_key(own)).record.id for _ in range(4)])
    for _ in range(4):
        await world.a_key(foreign)
    found: list[str] = []
    params = {"limit": "2"}
    while True:
        page = await world.ask("GET", "/api/v1/keys", role="developer", params=params)
        found += [key["id"] for key in page.json()]
        if "x-next-cursor" not in page.headers:
            break
        params["cursor"] = page.headers["x-next-cursor"]
    assert found == ids
    assert [app["id"] for app in (await world.ask("GET", "/api/v1/apps", role="developer")).json()] == [own.id]


async def test_what_is_refused_leaves_nothing_but_its_record(world: AdminWorld) -> None:
    own = await world.an_app("dev")
    body = {"app_id": own.id, "scopes": ["orders:write"]}
    headers = {"idempotency-key": "k"}
    assert (await world.ask("POST", "/api/v1/keys", body, role="developer", headers=headers)).status_code == 403
    assert (await world.ask("GET", "/api/v1/keys")).json() == []
    (record, *_) = (await world.ask("GET", "/api/v1/audit", role="auditor")).json()
    assert (record["action"], record["outcome"], record["actor"]) == ("key.create", "denied", "admin:dev")
    body["scopes"] = ["orders:read"]
    assert (await world.ask("POST", "/api/v1/keys", body, role="developer", headers=headers)).status_code == 201
