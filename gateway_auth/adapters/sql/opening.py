"""Whether a database is a store we can use: creates one where there is none, upgrades only when told.

Creating and upgrading is one transaction under the schema lock, so of two processes one does it and the other
finds it done, and a killed one leaves what was there before.
"""

from __future__ import annotations

import asyncio
from threading import Lock

from sqlalchemy import Connection, column, inspect, select, table

from gateway_auth.adapters.sql.driver import READ_ONLY, Driver
from gateway_auth.adapters.sql.schema import VERSION_TABLE, Schema
from gateway_auth.errors import StoreSchemaError

_TURN_SECONDS = 0.01

# alembic keeps the migration under way in a module global, and run_sync lets other tasks run in between.
_alembic = Lock()


async def open_schema(driver: Driver, schema: Schema) -> None:
    """Return with a store at `schema`, made where there is nothing. Raises StoreSchemaError otherwise."""
    async with driver.engine.connect() as connection:
        await connection.execution_options(**{READ_ONLY: True})
        found = await connection.run_sync(_installed_version)
    if found is None:
        await _migrate(driver, schema, may_upgrade=False)
    else:
        _refuse_other_version(found, schema)


async def upgrade_schema(driver: Driver, schema: Schema) -> str | None:
    """Bring a store to `schema`, creating it where there is nothing. Returns the version found, if any."""
    return await _migrate(driver, schema, may_upgrade=True)


async def _migrate(driver: Driver, schema: Schema, *, may_upgrade: bool) -> str | None:
    while not _alembic.acquire(blocking=False):  # noqa: ASYNC110 - the other may run in another event loop
        await asyncio.sleep(_TURN_SECONDS)
    try:
        async with driver.engine.begin() as connection:
            return await connection.run_sync(_migrate_locked, driver, schema, may_upgrade)
    finally:
        _alembic.release()


def _migrate_locked(connection: Connection, driver: Driver, schema: Schema, may_upgrade: bool) -> str | None:
    driver.lock_schema(connection)
    found = _installed_version(connection)
    if found is None or (may_upgrade and found < schema.version):
        _run_migrations(connection, schema)
    else:
        _refuse_other_version(found, schema)
    return found


def _installed_version(connection: Connection) -> str | None:
    """The schema version of the store in this database; None where the database is empty."""
    names = inspect(connection).get_table_names()
    if VERSION_TABLE in names:
        version = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
        if isinstance(version, str) and version.isdigit():
            return version
    if names:
        raise StoreSchemaError("store.url points at a database of something else; point it at a store or an empty one")
    return None


def _refuse_other_version(found: str, schema: Schema) -> None:
    if found < schema.version:
        raise StoreSchemaError(
            f"the store has schema {found}, older than {schema.version}; run `gateway-auth store upgrade`"
        )
    if found > schema.version:
        raise StoreSchemaError(
            f"the store has schema {found}, newer than this program's {schema.version}; update gateway-auth"
        )


def _run_migrations(connection: Connection, schema: Schema) -> None:
    # Slow to import, and needed once in the life of a store.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(schema.migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, schema.version)
