"""Schema versions: what an older, a newer and a fresh store get; migrations lead to the tables in use."""

import asyncio
import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.schema import (
    CURRENT_SCHEMA,
    VERSION_TABLE,
    Schema,
    admins,
    apps,
    creations,
    keys,
    metadata,
    revocations,
)
from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.audit import AuditHead
from gateway_auth.core.creations import Creation
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation
from gateway_auth.errors import StoreSchemaError, StoreUnavailable
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from gateway_auth.ports import Change, KeyReading, RevocationReading
from tests.adapters.conformance import save
from tests.adapters.conformance_revocations import revoke
from tests.adapters.released import CHANGES, RELEASED, make_released
from tests.adapters.stores import (
    add_change,
    app,
    key,
    place_for,
    query,
    revocation,
    sql_store,
    sqlite_file,
    sqlite_url,
    url_of,
)

NOW = CURRENT_SCHEMA.version
LATER = f"{int(NOW) + 1:04}"
NEXT = f"""
from alembic import op
import sqlalchemy as sa
revision = "{LATER}"
down_revision = "{NOW}"
def upgrade():
    op.add_column("apps", sa.Column("colour", sa.Text))
"""


@pytest.fixture
def next_schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    """The schema of a program one version ahead. A percent sign in the path is no pattern."""
    migrations = tmp_path_factory.mktemp("with % sign") / "migrations"
    shutil.copytree(CURRENT_SCHEMA.migrations, migrations)
    (migrations / "versions" / f"v{LATER}.py").write_text(NEXT, "utf-8")
    return Schema(LATER, migrations)


async def create(directory: Path, schema: Schema = CURRENT_SCHEMA) -> None:
    store = SqlStore(sqlite_url(directory), schema=schema)
    await store.open()
    await store.close()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_migrations_lead_to_the_tables_in_use(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    async with sql_store(url_of(database, place_for(request, tmp_path))) as store:
        await store.open()
        async with store._driver.engine.connect() as connection:
            assert await connection.run_sync(differences) == []


def test_the_current_version_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(CURRENT_SCHEMA.migrations))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [CURRENT_SCHEMA.version]


def test_records_and_their_tables_name_the_same_things_in_the_same_order() -> None:
    assert tuple(map(str, apps.columns.keys())) == AppRecord.__struct_fields__
    assert tuple(map(str, keys.columns.keys())) == KeyRecord.__struct_fields__
    assert tuple(map(str, admins.columns.keys())) == AdminRecord.__struct_fields__
    assert tuple(map(str, creations.columns.keys())) == Creation.__struct_fields__
    names = [column.name for column in revocations.columns if column.name != "revision"]
    assert tuple(names) == Revocation.__struct_fields__


async def test_an_older_store_is_refused_until_it_is_upgraded(tmp_path: Path, next_schema: Schema) -> None:
    old = SqlStore(sqlite_url(tmp_path))
    await save(old, app(), key())
    await old.close()
    store = SqlStore(sqlite_url(tmp_path), schema=next_schema)
    with pytest.raises(StoreSchemaError, match=f"{NOW}, older than {LATER}; run `gateway-auth store upgrade`"):
        await store.open()
    assert await store.upgrade() == NOW
    assert await store.upgrade() == LATER
    assert (await store.current_revision(), (await columns_of(tmp_path, "apps"))[-1]) == (1, "colour")
    await store.close()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", RELEASED)
async def test_a_store_of_every_released_schema_is_upgraded_with_all_that_is_in_it(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, version: str
) -> None:
    url = url_of(database, place_for(request, tmp_path))
    await make_released(url, version)
    async with sql_store(url) as store:
        with pytest.raises(StoreSchemaError, match=f"{version}, older than {NOW}"):
            await store.read_key("key1")
        assert await store.upgrade() == version
        assert await store.read_key("key1") == KeyReading(CHANGES, key(), app())
        assert (await store.changes_since(2)).changes == (Change(3, "key", "key1"),)
        had_revocations = version > "0001"
        assert await store.read_revocations(0) == RevocationReading(CHANGES, (revocation(),) * had_revocations)
        assert await verify_audit(store) == Verified(CHANGES, await head_of(store))
        await add_change(store, "key1")
        await revoke(store, revocation("rev_2"))
        assert await verify_audit(store) == Verified(CHANGES + 2, await head_of(store))
        async with store._driver.engine.connect() as connection:
            assert await connection.run_sync(differences) == []


async def test_a_newer_store_is_refused(tmp_path: Path, next_schema: Schema) -> None:
    await create(tmp_path, next_schema)
    store = SqlStore(sqlite_url(tmp_path))
    for attempt in (store.open, store.upgrade):
        with pytest.raises(StoreSchemaError, match=f"{LATER}, newer than this program's {NOW}; update gateway-auth"):
            await attempt()
    await store.close()


async def test_upgrading_what_is_not_there_makes_a_store(tmp_path: Path) -> None:
    store = SqlStore(sqlite_url(tmp_path))
    assert await store.upgrade() is None
    assert await store.current_revision() == 0
    await store.close()


async def test_an_upgrade_that_fails_leaves_the_store_as_it_was(tmp_path: Path, next_schema: Schema) -> None:
    await create(tmp_path)
    broken = next_schema.migrations / "versions" / f"v{LATER}.py"
    broken.write_text(NEXT + '    op.execute("INSERT INTO nowhere VALUES (1)")\n', "utf-8")
    store = SqlStore(sqlite_url(tmp_path), schema=next_schema)
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await store.upgrade()
    await store.close()
    assert query(sqlite_file(tmp_path), f"SELECT version_num FROM {VERSION_TABLE}") == [(NOW,)]
    assert "colour" not in await columns_of(tmp_path, "apps")


async def test_stores_created_at_once_in_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    directories = [tmp_path / str(number) for number in range(6)]
    for directory in directories:
        directory.mkdir()
    await asyncio.gather(*(create(directory) for directory in directories))
    await asyncio.gather(*(create(tmp_path) for _ in range(6)))
    for directory in (*directories, tmp_path):
        assert query(sqlite_file(directory), "SELECT revision FROM head") == [(0,)]


def differences(connection: Connection) -> list[object]:
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def columns_of(directory: Path, table: str) -> list[object]:
    return [row[1] for row in query(sqlite_file(directory), f"PRAGMA table_info({table})")]


async def head_of(store: SqlStore) -> AuditHead:
    async with store.reading() as snapshot:
        return (await snapshot.audit.standing()).head
