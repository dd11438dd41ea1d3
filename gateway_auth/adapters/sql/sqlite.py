"""SQLite: the file and who may read it, pragmas, exclusive writers, quick reads. Its own SQL is only here."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import aiosqlite
from sqlalchemy import URL, Connection, Executable, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from gateway_auth.adapters.sql.driver import LOCK_TIMEOUT_SECONDS, READ_ONLY, Query
from gateway_auth.adapters.sql.failures import driver_error, explain_common
from gateway_auth.adapters.sql.rows import Row
from gateway_auth.adapters.sql.schema import VERSION_TABLE

READERS = 2
"""Connections that serve requests, held open."""
LOOKERS = 2
"""Connections at most that management looks through."""

_RETRY_SECONDS = 0.02
_ADVICE = {
    "SQLITE_BUSY": "is locked by another process; stop what holds it open, or try again",
    "SQLITE_LOCKED": "is locked by another process; stop what holds it open, or try again",
    "SQLITE_FULL": "cannot grow: the disk is full; free some space",
    "SQLITE_NOTADB": "is not a SQLite database; point store.url at another file",
    "SQLITE_CORRUPT": "is damaged; restore it from a backup",
    "SQLITE_CANTOPEN": "cannot be opened; check that this user may read and write the file and its directory",
    "SQLITE_READONLY": "cannot be written; check that this user may write the file and its directory",
    "SQLITE_PERM": "cannot be opened; check that this user may read and write the file and its directory",
    "SQLITE_IOERR": "could not be read or written; check the disk it lies on",
}


class SqliteDriver:
    """A store in one file. Writers of all processes take turns; readers see the last commit, unhindered."""

    announcement: Executable | None = None

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._held: list[AsyncConnection] = []
        self._readers: list[aiosqlite.Connection] = []
        self._next_reader = cycle(range(READERS))
        self._compiled: dict[Query, tuple[str, list[str], dict[str, object]]] = {}
        # One writer: those of this process queue for its connection, where waiting can be cancelled, not in SQLite.
        self.engine = self._make_engine(READERS + 1)
        self.looking_engine = self._make_engine(LOOKERS).execution_options(**{READ_ONLY: True})
        self.dumping_engine = self.looking_engine

    def _make_engine(self, connections: int) -> AsyncEngine:
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(self._path)),
            # The driver begins no transaction by itself: ours begin below.
            connect_args={"isolation_level": None, "timeout": LOCK_TIMEOUT_SECONDS},
            pool_size=connections,
            max_overflow=0,
            pool_timeout=LOCK_TIMEOUT_SECONDS,
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "connect", _set_pragmas)
        event.listen(engine.sync_engine, "begin", _begin)
        event.listen(engine.sync_engine, "invalidate", _roll_back)
        return engine

    async def prepare(self) -> None:
        """Create the file, for its owner alone, and turn on write-ahead logging; then open the readers."""
        await asyncio.to_thread(_prepare_file, self._path)
        for _ in range(READERS):
            held = await self.engine.connect()
            self._held.append(held)
            connection = (await held.get_raw_connection()).driver_connection
            if isinstance(connection, aiosqlite.Connection):
                self._readers.append(connection)

    async def rows(self, query: Query, parameters: Mapping[str, str | int]) -> Sequence[Row]:
        """One statement, one hop to a reader's thread: six times as quick as an execution through SQLAlchemy.

        Nothing is checked out. A statement is whole by itself and a connection's thread runs them in order:
        a cancelled caller leaves nothing behind for the next one.
        """
        text, names, values = self._compile(query)
        given = {**values, **parameters}
        reader = self._readers[next(self._next_reader)]
        return [tuple(row) for row in await reader.execute_fetchall(text, [given[name] for name in names])]

    def _compile(self, query: Query) -> tuple[str, list[str], dict[str, object]]:
        found = self._compiled.get(query)
        if found is None:
            compiled = query.compile(dialect=self.engine.dialect)
            found = str(compiled), list(compiled.positiontup or ()), dict(compiled.params)
            self._compiled[query] = found
        return found

    def lock_schema(self, connection: Connection) -> None:
        """Nothing to do: the transaction began as the only writer."""

    def explain(self, error: BaseException) -> str:
        """The file and what is wrong with it."""
        original = driver_error(error)
        return f"the store {self._path} {explain_common(error) or _explain(original, self._path)}"

    def listener(self, _on_nudge: Callable[[], object]) -> None:
        """A file tells nobody that it has changed."""

    async def close(self) -> None:
        """Close every connection; the last of all processes folds the write-ahead log into the file."""
        self._readers.clear()
        while self._held:
            await self._held.pop().close()
        await self.looking_engine.dispose()
        await self.engine.dispose()


def _set_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # FULL: a revocation that was answered stays after a power cut. NORMAL in a write-ahead log could lose it,
    # and with it the order of revisions. It costs one fsync per management change and readers nothing.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a transaction that began as a reader cannot always become a writer (SQLITE_BUSY_SNAPSHOT).
    is_reader = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")


def _roll_back(connection: DBAPIConnection, _entry: ConnectionPoolEntry, _reason: BaseException | None) -> None:
    # A cancelled command's connection is closed next. With a cursor still alive in somebody's traceback,
    # SQLite only marks it closed, and its transaction would go on excluding every other writer.
    with suppress(Exception):
        connection.rollback()


def _prepare_file(path: Path) -> None:
    _create_private(path)
    connection = sqlite3.connect(path, isolation_level=None, timeout=LOCK_TIMEOUT_SECONDS)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in names}
        if not tables or VERSION_TABLE in tables:  # a database of somebody else is refused later, as it was
            _turn_on_wal(connection)
    finally:
        connection.close()


def _create_private(path: Path) -> None:
    # SQLite would create it with the umask's mode, and gives -wal and -shm the mode of the file.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # O_EXCL follows no link; one to nowhere must not make SQLite create a file there, with another mode.
        if not path.exists():
            raise FileNotFoundError(f"{path} is a link to nothing") from None
        if not path.is_file():
            raise IsADirectoryError(str(path)) from None


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
                raise OSError("no write-ahead log here")
            return
        except sqlite3.OperationalError as error:
            # While another process changes the mode too, the answer is "busy" at once, without the time-out.
            is_busy = (error.sqlite_errorname or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            if not is_busy or time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_SECONDS)


def _explain(error: BaseException, path: Path) -> str:
    match error:
        case sqlite3.Error():
            name = getattr(error, "sqlite_errorname", None) or ""
            for prefix, advice in _ADVICE.items():
                if name.startswith(prefix):
                    return advice
        case FileNotFoundError() if not path.parent.exists():
            return f"cannot be created: there is no directory {path.parent}; create it or change store.url"
        case FileNotFoundError():
            return "is a link to nothing; remove it or change store.url"
        case PermissionError():
            return _ADVICE["SQLITE_CANTOPEN"]
        case IsADirectoryError():
            return "is not a file; change store.url"
        case OSError() if error.errno is None:
            return "lies on a file system without shared memory; put it on a local disk"
        case _:
            pass
    return f"failed: {str(error) or type(error).__name__}"
