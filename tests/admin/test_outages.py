"""A store that cannot write: every change is answered with 503 and nothing of it is made; then all goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from tests.adapters.stores import query, sql_store, sqlite_file, sqlite_url
from tests.admin.world import AdminWorld, code

KEPT = ("head", "apps", "keys", "revocations", "changes", "audit", "admins", "creations")
MANY = 400
"""Keys that need more pages than a small database has to spare."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    async with sql_store(sqlite_url(tmp_path)) as store:
        yield store


@pytest.fixture
async def world(store: SqlStore) -> AsyncIterator[AdminWorld]:
    world = AdminWorld(registry=store)
    await world.populate()
    yield world
    await world.close()
    assert isinstance(await verify_audit(store), Verified)


async def changes(world: AdminWorld, app: str, key: str, other: str) -> dict[str, httpx2.Response]:
    """Every operation that changes anything, and how it was answered. The keys are gone afterwards, if it could."""
    keys = f"/api/v1/keys/{key}"
    requests: list[tuple[str, str, object]] = [
        ("POST", "/api/v1/apps", {"name": "new"}),
        ("PATCH", f"/api/v1/apps/{app}", {"owner": "bob"}),
        ("POST", "/api/v1/keys", {"app_id": app}),
        ("PATCH", keys, {"scopes": ["orders:write"]}),
        ("POST", f"{keys}/grant", {"scope": "orders:write", "expires_in": "1h"}),
        ("POST", f"{keys}/rotate", {"overlap": "1h"}),
        ("POST", f"{keys}/disable", None),
        ("POST", f"{keys}/revoke", None),
        ("DELETE", f"/api/v1/keys/{other}", None),
        ("POST", "/api/v1/tokens/revoke", {"jti": "t1", "issuer": "corp"}),
        ("POST", f"/api/v1/apps/{app}/disable", None),
    ]
    return {f"{method} {path}": await world.ask(method, path, body) for method, path, body in requests}


@contextmanager
def read_only(file: Path, table: str) -> Iterator[None]:
    """Nobody may add to this table."""
    query(file, f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'read-only'); END")
    yield
    query(file, "DROP TRIGGER refuse")


def content(file: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: query(file, f"SELECT * FROM {table}") for table in KEPT}


async def test_without_its_record_no_change_is_made(world: AdminWorld, tmp_path: Path) -> None:
    app = await world.an_app()
    key, other = (await world.a_key(app)).record.id, (await world.a_key(app)).record.id
    file = sqlite_file(tmp_path)
    before = content(file)
    with read_only(file, "audit"):
        for what, answer in (await changes(world, app.id, key, other)).items():
            assert (answer.status_code, code(answer)) == (503, "dependency_unavailable"), what
            assert int(answer.headers["retry-after"]) >= 1
            assert content(file) == before, what
        assert (await world.ask("GET", f"/api/v1/keys/{key}")).json()["status"] == "active"
    for what, answer in (await changes(world, app.id, key, other)).items():
        assert answer.is_success, (what, answer.text)


async def test_a_full_disk_is_an_outage_that_ends(world: AdminWorld, store: SqlStore, tmp_path: Path) -> None:
    app = await world.an_app()
    body = {"app_id": app.id, "metadata": {"note": "n" * 200}}
    made = []
    await limit_pages(store, 1)  # of what it has it may use all, and not one page more
    while (answer := await world.ask("POST", "/api/v1/keys", body)).status_code == 201:
        made.append(answer.json()["id"])
        assert len(made) < MANY
    assert (answer.status_code, code(answer)) == (503, "dependency_unavailable")
    assert {key for (key,) in query(sqlite_file(tmp_path), "SELECT id FROM keys")} == set(made)
    assert (await world.ask("GET", "/api/v1/keys")).status_code == 200
    await limit_pages(store, 1 << 30)
    assert (await world.ask("POST", "/api/v1/keys", body)).status_code == 201


async def limit_pages(store: SqlStore, most: int) -> None:
    """Of the one connection that writes: the others hold it open for reading only."""
    async with store._driver.engine.connect() as connection:
        await connection.exec_driver_sql("ROLLBACK")
        await connection.exec_driver_sql(f"PRAGMA max_page_count={most}")
