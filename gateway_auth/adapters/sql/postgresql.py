"""PostgreSQL: engines with time limits, the lock for schema changes, errors in words. Its own SQL is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import URL, Connection, Executable, NullPool, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway_auth.adapters.sql.driver import LOCK_TIMEOUT_SECONDS, Query
from gateway_auth.adapters.sql.failures import driver_error, explain_common
from gateway_auth.adapters.sql.nudges import CHANNEL, NudgeListener
from gateway_auth.adapters.sql.rows import Row
from gateway_auth.errors import ConfigError, Problem

READERS = 4
WRITERS = 2
READ_TIMEOUT_SECONDS = 5.0
WRITE_TIMEOUT_SECONDS = 60.0
"""How long one command may take before the server counts as lost; a schema upgrade has long ones."""

_SCHEMA_LOCK = 0x67776175  # any number that only this program uses: "gwau"
_PARAMETERS = {
    "host": "host", "port": "port", "ssl": "ssl", "sslmode": "ssl", "target_session_attrs": "target_session_attrs",
}  # fmt: skip
"""Of a URL, and what the driver calls them: it knows more, but raises for what psql takes and it does not."""
_LOST = "08"
_ADVICE = {
    _LOST: "was lost in the middle of a command; try again",
    "25006": "is read-only: a standby, or made so by its administrator; point store.url at the primary",
    "28": "refuses the user or the password of store.url",
    "3D000": "does not exist; have it created, or change store.url",
    "42501": "may not be used by this user as it has to be; grant it what docs/store.md lists",
    "53100": "cannot grow: the server's disk is full; free some space",
    "53300": "has no connection left; raise max_connections of the server, or run fewer workers",
    "53": "has run out of memory or of another resource; see the server's log",
    "55P03": "is locked by another session; end what holds it, or try again",
    "57P": "is shutting down or starting; try again",
    "57014": "took too long over a command and was told to stop; try again",
}
"""What is said after the store's name, by the SQLSTATE or its beginning."""


class PostgresqlDriver:
    """A store on a server. Writers take turns at the row of `head`; readers see the last commit at once."""

    announcement: Executable | None = select(func.pg_notify(CHANNEL, ""))

    def __init__(self, url: URL) -> None:
        self._url = _with_parameters_of_the_driver(url.set(drivername="postgresql+asyncpg"))
        self.engine = self._make_engine(WRITERS, WRITE_TIMEOUT_SECONDS, pre_ping=True)
        self.looking_engine = self.engine
        self.dumping_engine = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        readers = self._make_engine(READERS, READ_TIMEOUT_SECONDS, pre_ping=False)
        self._readers = readers.execution_options(isolation_level="AUTOCOMMIT")

    def _make_engine(self, size: int, timeout_seconds: float, *, pre_ping: bool) -> AsyncEngine:
        try:
            return create_async_engine(
                self._url,
                connect_args=_connect_arguments(timeout_seconds),
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
        place = f"{self._url.database or ''} at {self._url.host or 'the local socket'}"
        return f"the store {place} {explain_common(error) or self._explain(error)}"

    def _explain(self, error: BaseException) -> str:
        original = driver_error(error)
        is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
        state = str(getattr(original, "sqlstate", None) or (_LOST if is_lost else ""))
        for beginning, advice in _ADVICE.items():
            if state.startswith(beginning):
                return advice
        said = "no answer in time" if isinstance(error, TimeoutError) else str(original)
        if self._url.password:
            said = said.replace(str(self._url.password), "***")
        return f"cannot be used: {said}; check store.url and the server"

    def listener(self, on_nudge: Callable[[], object]) -> NudgeListener:
        """Hears of changes on a connection that serves nothing else."""
        arguments = _connect_arguments(READ_TIMEOUT_SECONDS)
        engine = create_async_engine(self._url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
        return NudgeListener(engine.execution_options(isolation_level="AUTOCOMMIT"), self.explain, on_nudge)

    async def close(self) -> None:
        """Close both pools."""
        await self._readers.dispose()
        await self.engine.dispose()


def _connect_arguments(timeout_seconds: float) -> dict[str, object]:
    return {
        "timeout": LOCK_TIMEOUT_SECONDS,
        "command_timeout": timeout_seconds,
        "server_settings": {
            "application_name": "gateway-auth",
            "lock_timeout": str(int(LOCK_TIMEOUT_SECONDS * 1000)),
            # Whoever waited for the row of `head` has to see what the one before wrote.
            "default_transaction_isolation": "read committed",
        },
    }


def _with_parameters_of_the_driver(url: URL) -> URL:
    unknown = sorted(set(url.query) - set(_PARAMETERS))
    if unknown:
        known = ", ".join(_PARAMETERS)
        raise ConfigError([Problem("store.url", f"has the unknown parameter {unknown[0][:32]}; there are {known}")])
    return url.set(query={_PARAMETERS[name]: value for name, value in url.query.items()})
