"""What is said, what is left undone, and that all goes on afterwards, when a store on PostgreSQL cannot be used."""

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.dump import dump
from gateway_auth.adapters.sql.outbox import SqlOutbox
from gateway_auth.bootstrap.gateway import open_gateway
from gateway_auth.core.actor import Actor
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.disclosure import Report
from gateway_auth.core.imported import ImportedKey, Upgrade
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord
from gateway_auth.core.usage import UsageBatch
from gateway_auth.engine.refusals import RefusalLedger, RefusalTally
from gateway_auth.errors import ConfigError, StoreError, StoreSchemaError, StoreUnavailable
from gateway_auth.lifecycle.disclosure import DiscloseSecrets, Measures
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from gateway_auth.ports import NewDigest
from tests.adapters.conformance import save
from tests.adapters.conformance_revocations import revoke
from tests.adapters.conformance_usage import place_of
from tests.adapters.stores import add_change, app, event, key, revocation, sql_store
from tests.adapters.test_outbox import NOW, a_delivery
from tests.fakes import KEYS, PEPPER, FakeClock
from tests.postgresql.patience import until
from tests.postgresql.server import PASSWORD, Server, running_server

PAGE = Path(__file__).resolve().parents[2] / "docs" / "store.md"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway-auth'"
RAISE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER refuse BEFORE {operation} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that may be stopped."""
    with running_server() as server:
        yield server


async def test_a_refused_password_is_said_so_without_showing_it(postgresql: Server, database: str) -> None:
    said = await refusal(postgresql.url(database, password=f"x{PASSWORD}"))
    assert "refuses the user or the password of store.url" in said


async def test_a_missing_database_is_said_so(postgresql: Server) -> None:
    assert "nowhere at 127.0.0.1 does not exist; have it created" in await refusal(postgresql.url("nowhere"))


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no.such.host.invalid:5432"])
async def test_a_server_that_does_not_answer_is_named(host: str) -> None:
    said = await refusal(f"postgresql://somebody:hunter2@{host}/orders")
    assert f"orders at {host.partition(':')[0]} cannot be used: " in said
    assert "check store.url and the server" in said
    assert "hunter2" not in said


async def test_tls_that_the_server_does_not_speak_is_not_left_out(url: str) -> None:
    for parameter in ("sslmode", "ssl"):
        assert "rejected SSL upgrade" in await refusal(f"{url}?{parameter}=require")


def test_an_unknown_parameter_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="unknown parameter sslmod; there are host, port, ssl") as caught:
        SqlStore(f"{url}?sslmod=require")
    assert PASSWORD not in str(caught.value)


async def test_a_database_of_something_else_is_refused_and_left_alone(
    postgresql: Server, database: str, url: str
) -> None:
    postgresql.sql("CREATE TABLE bookmarks (url text)", database)
    assert "database of something else" in await refusal(url, StoreSchemaError)
    assert postgresql.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database) == [["bookmarks"]]


async def test_cut_connections_are_replaced(postgresql: Server, url: str) -> None:
    async with sql_store(url) as store:
        await save(store, app(), key())
        postgresql.sql(CUT)
        assert (await store.read_key("key1")).key == key()
        postgresql.sql(CUT)
        assert await add_change(store, "key1") == 2


async def test_a_connection_cut_in_a_change_leaves_nothing_of_it(postgresql: Server, url: str) -> None:
    async with sql_store(url) as store:
        await save(store, app(), key())
        with pytest.raises(StoreUnavailable, match=r"was lost in the middle of a command; try again$"):
            await change_and_cut(store, postgresql)
        assert (await store.read_key("key1")).key == key()
        assert await add_change(store, "key1") == 2
        await verified(store, 2)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_restart_of_the_server_is_an_outage_that_ends(own_server: Server, how: signal.Signals) -> None:
    async with sql_store(own_server.url(own_server.new_database())) as store:
        await save(store, app(), key())
        own_server.stop(how)
        attempts: list[Callable[[], Awaitable[object]]] = [
            lambda: store.read_key("key1"),
            lambda: add_change(store, "key1"),
            store.current_revision,
        ]
        for attempt in attempts:
            with pytest.raises(StoreUnavailable) as caught:
                await attempt()
            assert PASSWORD not in str(caught.value)
        own_server.start()
        assert (await store.read_key("key1")).key == key()
        assert await add_change(store, "key1") == 2


async def test_a_gateway_goes_on_without_its_store_and_with_it_again(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPER", "Jr4ZbLq7Wd0xVnT9KfEy2uHs6mCa8PoG1iXv5NtB")
    monkeypatch.setenv("STORE", own_server.url(own_server.new_database()))
    gateway = await open_gateway({"secrets": {"pepper": "env:PEPPER"}, "store": {"url": "env:STORE"}})
    try:
        assert not gateway.degraded
        own_server.stop()
        await until(lambda: "store" in gateway.degraded)
        own_server.start()
        await until(lambda: not gateway.degraded)
    finally:
        await gateway.close()


async def test_a_lock_that_is_held_is_said_so_while_reading_goes_on(url: str) -> None:
    async with sql_store(url) as holder, sql_store(url) as store:
        await add_change(holder, "key1")
        await store.open()
        async with store._driver.engine.connect() as connection:  # the only one there is yet, so it is the next one too
            await connection.execute(text("SET lock_timeout = '100ms'"))
            await connection.commit()
        async with holder.transaction():
            with pytest.raises(StoreUnavailable, match="is locked by another session"):
                await add_change(store, "key1")
            assert await store.current_revision() == 1
        assert await add_change(store, "key1") == 2


async def test_a_standby_is_read_and_a_change_says_what_to_do(postgresql: Server, database: str, url: str) -> None:
    async with sql_store(url) as store:
        await save(store, app(), key())
    postgresql.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    async with sql_store(url) as store:
        assert (await store.read_key("key1")).key == key()
        with pytest.raises(StoreUnavailable, match=r"is read-only.*point store.url at the primary"):
            await add_change(store, "key1")
    postgresql.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = off")
    async with sql_store(url) as store:
        assert await add_change(store, "key1") == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("53100", "the server's disk is full; free some space"),
        ("57014", "took too long"),
        ("XX000", "cannot be used: no"),
    ],
)
@pytest.mark.parametrize("table", ["audit", "changes", "head"])
async def test_a_change_that_cannot_be_logged_is_not_made(
    postgresql: Server, database: str, url: str, table: str, code: str, said: str
) -> None:
    async with sql_store(url) as store:
        await save(store, app(), key())
        operation = "UPDATE" if table == "head" else "INSERT"
        postgresql.sql(RAISE.format(code=code, operation=operation, table=table), database)
        with pytest.raises(StoreUnavailable, match=said):
            await save(store, app(), key("key2"))
        postgresql.sql(f"DROP TRIGGER refuse ON {table}", database)
        assert (await store.read_key("key2")).key is None
        assert await store.current_revision() == 1
        assert await add_change(store, "key1") == 2
        await verified(store, 2)


async def test_the_rights_the_page_lists_are_enough_and_without_them_nothing_is_changed(
    postgresql: Server, database: str, url: str
) -> None:
    async with sql_store(url) as store:
        await save(store, app(), key())
    (rights,) = re.findall(r"```sql\n(.*?)```", await asyncio.to_thread(PAGE.read_text, "utf-8"), re.DOTALL)
    postgresql.sql("CREATE ROLE gateway LOGIN PASSWORD 'x'; CREATE ROLE management LOGIN PASSWORD 'x'")
    postgresql.sql(rights, database)
    async with sql_store(postgresql.url(database, user="gateway", password="x")) as store:
        assert (await store.read_key("key1")).key == key()
        assert len((await store.changes_since(0)).changes) == 1
        store.listen(lambda: None)
        await write_as_a_gateway(store)
        with pytest.raises(StoreUnavailable, match="may not be used by this user as it has to be"):
            await save(store, app(), key("key2"))
        for forbidden in ("UPDATE keys SET status = 'active'", "UPDATE admins SET role = 'admin'", "DELETE FROM keys"):
            with pytest.raises(DBAPIError, match="permission denied"):
                await execute(store, forbidden)
    async with sql_store(postgresql.url(database, user="management", password="x")) as store:
        await save(store, app(), key("key2"))
        await revoke(store, revocation())
        async with store.transaction() as transaction:
            await transaction.keys.delete("key2")
            await transaction.record(event("key2"))
        backup = BytesIO()
        await dump(store, backup, 1.0)
        await store.prune_changes(0.5)
        await SqlOutbox(store).settle(a_delivery())
        for forbidden in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "DROP TABLE audit", "TRUNCATE audit"):
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                await execute(store, forbidden)
        postgresql.sql("REVOKE INSERT ON audit FROM management", database)
        with pytest.raises(StoreUnavailable, match="may not be used by this user as it has to be"):
            await save(store, app(), key("key3"))
        assert (await store.read_key("key3")).key is None
        await verified(store, 6)


async def test_too_many_connections_are_said_so(own_server: Server) -> None:
    database = own_server.new_database()
    own_server.sql("CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0")
    assert "has no connection left" in await refusal(own_server.url(database, user="few", password="few"))


async def change_and_cut(store: SqlStore, server: Server) -> None:
    async with store.transaction() as transaction:
        await transaction.keys.delete("key1")
        await transaction.record(event("key1"))
        await asyncio.to_thread(server.sql, CUT)


async def test_who_takes_reports_of_leaks_needs_the_rights_the_page_adds(
    own_server: Server,
) -> None:
    peppers = PepperRing(PEPPER)
    leaked = KEYS.mint("live", 5, 7)
    digest = peppers.digest(leaked.text.encode())
    stored = KeyRecord(
        id=leaked.key_id, app_id="app_1", environment="live", digest=digest, pepper_id=peppers.current_id,
        created_at=1, created_by="cli:alice",
    )  # fmt: skip
    database = own_server.new_database()
    async with sql_store(own_server.url(database)) as store:
        await save(store, app(), stored)
    page = await asyncio.to_thread(PAGE.read_text, "utf-8")
    (rights,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    (more,) = re.findall(r"needs more: `(.*?)`", page)
    own_server.sql("CREATE ROLE gateway LOGIN PASSWORD 'x'; CREATE ROLE management LOGIN PASSWORD 'x'")
    own_server.sql(rights, database)
    async with sql_store(own_server.url(database, user="gateway", password="x")) as store:
        secrets = DiscloseSecrets(store, FakeClock(), key_format=KEYS, peppers=peppers, measures=Measures())
        actor, reports = Actor(kind="disclosure", name="github"), [Report(leaked.text, "key")]
        with pytest.raises(StoreUnavailable, match="may not be used by this user as it has to be"):
            await secrets.take(actor, reports)
        own_server.sql(more, database)
        assert await secrets.take(actor, reports) == [True]
        found = (await store.read_key(leaked.key_id)).key
        assert found is not None
        assert found.status == "revoked"
        await verified(store, 3)


async def write_as_a_gateway(store: SqlStore) -> None:
    """All that a gateway writes beside its requests."""
    mark = ("key1", "orders", 2)
    await store.add_usage(UsageBatch(60, {mark: 1}, {"key1": (2**32, "192.0.2.1")}))
    await store.add_usage(UsageBatch(60, {mark: 1}, {}, {"key1": [place_of("192.0.2.1")]}))
    await write_refusals(store)
    await store.prune_usage(minutes_before=1e10, all_before=0)
    before = ImportedKey(key_id="key1", lookup=b"x", pepper_id="0123456789abcdef")
    await store.upgrade_imported(Upgrade(before, b"y", b"z", "0123456789abcdef"))
    await store.replace_digests([NewDigest("key1", key().digest, b"new", "0123456789abcdef")])
    outbox = SqlOutbox(store)
    assert await outbox.advance("ops", None, 1, ())
    assert await outbox.advance("ops", 1, 2, [a_delivery()])
    (claimed,) = await outbox.claim(["ops"], NOW, NOW + 60, 1)
    await outbox.settle(claimed)
    await outbox.prune_deliveries(NOW)
    await store.prune_changes(0.5)
    read = (await store.read_key("key1")).key
    assert read is not None
    assert (read.digest, read.last_used_at) == (b"new", 2**32)


async def write_refusals(store: SqlStore) -> None:
    """What the audit keeps of refused requests."""
    clock = FakeClock()
    tally = RefusalTally(clock.now(), is_complete=True)
    tally.note(Deny(Reason.CREDENTIAL_IN_URL, exposed_key_id="key1"), None)
    ledger = RefusalLedger(tally, store, clock)
    ledger.finish()
    await ledger.write()


async def execute(store: SqlStore, statement: str) -> None:
    async with store._driver.engine.begin() as connection:
        await connection.execute(text(statement))


async def verified(store: SqlStore, count: int) -> None:
    verdict = await verify_audit(store)
    assert isinstance(verdict, Verified)
    assert verdict.count == count


async def refusal(url: str, kind: type[StoreError] = StoreUnavailable) -> str:
    """What is said when this store is opened: one line without a password."""
    async with sql_store(url) as store:
        with pytest.raises(kind) as caught:
            await store.open()
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)
