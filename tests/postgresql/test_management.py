"""Management over a store on PostgreSQL: outages seen by an admin, and workers that write at the same time."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from gateway_auth.core.usage import UsageBatch
from gateway_auth.ports import NewDigest
from tests.adapters.conformance import save
from tests.adapters.stores import app, key, sql_store
from tests.admin.world import AdminWorld, code
from tests.postgresql.server import Server, running_server
from tests.postgresql.test_failures import RAISE


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that may be stopped."""
    with running_server() as server:
        yield server


async def test_an_admin_plane_answers_503_while_its_store_is_away_and_goes_on_afterwards(own_server: Server) -> None:
    async with sql_store(own_server.url(own_server.new_database())) as store:
        world = AdminWorld(registry=store)
        await world.populate()
        own_server.stop(signal.SIGQUIT)
        for method, body in (("GET", None), ("POST", {"name": "shop"})):
            answer = await world.ask(method, "/api/v1/apps", body)
            assert (answer.status_code, code(answer)) == (503, "dependency_unavailable")
            assert "retry-after" in answer.headers
        own_server.start()
        assert (await world.ask("GET", "/api/v1/apps")).json() == []
        assert (await world.ask("POST", "/api/v1/apps", {"name": "shop"})).status_code == 201
        await world.close()


@pytest.mark.parametrize("code_of_server", ["53100", "25006", "42501"], ids=["full", "read-only", "no right"])
async def test_a_change_that_the_server_does_not_record_is_answered_with_503_and_not_made(
    postgresql: Server, database: str, url: str, code_of_server: str
) -> None:
    async with sql_store(url) as store:
        world = AdminWorld(registry=store)
        await world.populate()
        found = await world.an_app()
        postgresql.sql(RAISE.format(code=code_of_server, operation="INSERT", table="audit"), database)
        path = f"/api/v1/apps/{found.id}/disable"
        answer = await world.ask("POST", path)
        assert (answer.status_code, code(answer)) == (503, "dependency_unavailable")
        postgresql.sql("DROP TRIGGER refuse ON audit", database)
        assert (await world.ask("GET", f"/api/v1/apps/{found.id}")).json()["status"] == "active"
        assert (await world.ask("POST", path)).json()["status"] == "disabled"
        await world.close()


async def test_a_change_keeps_what_workers_wrote_since_the_key_was_read(url: str) -> None:
    async with sql_store(url) as managing, sql_store(url) as worker:
        await save(managing, app(), replace(key(), last_used_at=None, last_used_address=None))
        async with managing.transaction() as transaction:
            seen = await transaction.keys.get("key1")
            assert seen is not None
            await worker.add_usage(UsageBatch(60, {}, {"key1": (90, "192.0.2.1")}))
            await worker.replace_digests([NewDigest("key1", seen.digest, b"new", "other")])
            await transaction.keys.save(replace(seen, name="renamed"))
        after = (await managing.read_key("key1")).key
        assert after == replace(
            seen, name="renamed", last_used_at=90, last_used_address="192.0.2.1", digest=b"new", pepper_id="other"
        )
