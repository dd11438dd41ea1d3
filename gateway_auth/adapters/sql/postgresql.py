"""PostgreSQL: engines with time limits, the lock for schema changes, errors in words. Its own SQL is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway_auth.adapters.sql.driver import LOCK_TIMEOUT_SECONDS, Query
from gateway_auth.adapters.sql.failures import driver_error, explain_common
from gateway_auth.adapters.sql.rows import Row
from gateway_auth.errors import ConfigError, Problem

READERS = 4
WRITERS = 2
READ_TIMEOUT_SECONDS = 5.0
WRITE_TIMEOUT_SECONDS = 60.0
"""How long one command may take before the server counts as lost; a schema upgrade has long ones."""

_SCHEMA_LOCK = 0x67776175  # any number that only this program uses: "gwau"


class PostgresqlDriver:
    """A store on a server. Writers take turns at the row of `head`; readers see the last commit at once."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+asyncpg")
        self.engine = self._make_engine(WRITERS, WRITE_TIMEOUT_SECONDS, pre_ping=True)
        self.looking_engine = self.engine
        readers = self._make_engine(READERS, READ_TIMEOUT_SECONDS, pre_ping=False)
        self._readers = readers.execution_options(isolation_level="AUTOCOMMIT")

    def _make_engine(self, size: int, timeout_seconds: float, *, pre_ping: bool) -> AsyncEngine:
        try:
            return create_async_engine(
                self._url,
                connect_args={
                    "timeout": LOCK_TIMEOUT_SECONDS,
                    "command_timeout": timeout_seconds,
                    "server_settings": {
                        "application_name": "gateway-auth",
                        "lock_timeout": str(int(LOCK_TIMEOUT_SECONDS * 1000)),
                    },
                },
                pool_size=size,
                max_overflow=0,
                pool_timeout=LOCK_TIMEOUT_SECONDS,
                pool_pre_ping=pre_ping,
                hide_parameters=True,
            )
        except ModuleNotFoundError as error:
            advice = f'needs the package {error.name}; install "gateway-auth[postgres]"'
            raise ConfigError([Problem("store.url", advice)]) from None

    async def prepare(self) -> None:
        """Nothing to do: a database is made by its administrator."""

    async def rows(self, query: Query, parameters: Mapping[str, str | int]) -> Sequence[Row]:
        """A connection that died while it lay in the pool is replaced, once."""
        try:
            return await self._rows(query, parameters)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return await self._rows(query, parameters)

    async def _rows(self, query: Query, parameters: Mapping[str, str | int]) -> Sequence[Row]:
        async with self._readers.connect() as connection:
            return [tuple(row) for row in await connection.execute(query, dict(parameters))]

    def lock_schema(self, connection: Connection) -> None:
        """An advisory lock: on a fresh database there is no row to lock yet."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _SCHEMA_LOCK})

    def explain(self, error: BaseException) -> str:
        """Host and database, and the server's words; the password is blotted out of those."""
        said = "no answer in time" if isinstance(error, TimeoutError) else str(driver_error(error))
        if self._url.password:
            said = said.replace(str(self._url.password), "***")
        place = f"{self._url.database or ''} at {self._url.host or 'the local socket'}"
        common = explain_common(error) or f"cannot be used: {said}; check store.url and the server"
        return f"the store {place} {common}"

    async def close(self) -> None:
        """Close both pools."""
        await self._readers.dispose()
        await self.engine.dispose()
