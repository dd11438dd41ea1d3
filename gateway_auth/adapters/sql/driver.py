"""What differs between databases, as one small protocol, and which database a URL means.

Everything outside `sqlite.py` and `postgresql.py` is the same SQL for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection, Select, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway_auth.adapters.sql.rows import Row
from gateway_auth.errors import ConfigError, Problem

Query = Select[*tuple[object, ...]]

LOCK_TIMEOUT_SECONDS = 5.0
"""How long a writer waits for another one, and any command for a connection."""
READ_ONLY = "gateway_auth_read_only"
"""Execution option of a connection that only looks: its transaction takes no lock."""


class Driver(Protocol):
    """One database. `engine` is for write transactions, which it begins exclusively, and for the schema."""

    engine: AsyncEngine

    async def prepare(self) -> None:
        """Make the place the engine connects to, where that is for us to make. Foreign exceptions allowed."""
        ...

    async def rows(self, query: Query, parameters: Mapping[str, str | int]) -> Sequence[Row]:
        """The rows of one reading statement, which is its own snapshot. Foreign exceptions allowed."""
        ...

    def lock_schema(self, connection: Connection) -> None:
        """Exclude others that create or upgrade this store, until the transaction ends."""
        ...

    def explain(self, error: BaseException) -> str:
        """One line that names the store, never a password, and says what to do."""
        ...

    async def close(self) -> None: ...


def driver_for(url: str) -> Driver:
    """The driver of `sqlite:///file` or `postgresql://user:password@host/database`. Raises ConfigError."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise _bad_url("is not a store URL") from None
    name = parsed.drivername.partition("+")[0]
    if name == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.host:
            raise _bad_url("names no file")
        if parsed.query:
            raise _bad_url("carries parameters, which a SQLite store does not take")
        from gateway_auth.adapters.sql.sqlite import SqliteDriver

        return SqliteDriver(parsed.database)
    if name in ("postgresql", "postgres"):
        from gateway_auth.adapters.sql.postgresql import PostgresqlDriver

        return PostgresqlDriver(parsed)
    raise _bad_url(f'has the unknown scheme "{name[:32]}"')


def _bad_url(what: str) -> ConfigError:
    # The URL itself stays out of the message: it may carry a password.
    advice = 'write "sqlite:///gateway.db" or "postgresql://user:password@host/database"'
    return ConfigError([Problem("store.url", f"{what}; {advice}")])
