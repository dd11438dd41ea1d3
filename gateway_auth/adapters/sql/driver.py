"""What differs between databases, as one small protocol.

Everything outside `sqlite.py` and `postgresql.py` is the same SQL for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection, Executable, Select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway_auth.adapters.sql.rows import Row

Query = Select[*tuple[object, ...]]

LOCK_TIMEOUT_SECONDS = 5.0
"""How long a writer waits for another one, and any command for a connection."""
READ_ONLY = "gateway_auth_read_only"
"""Execution option of a connection that only looks: its transaction takes no lock."""


class Listener(Protocol):
    """Hears of changes from its start to its end."""

    def start(self) -> None: ...
    async def close(self) -> None: ...


class Driver(Protocol):
    """One database. `engine` is for write transactions, which it begins exclusively, and for the schema.

    `looking_engine` is for transactions that only read; they wait for no writer. Those of `dumping_engine` read one
    snapshot, however long they take. `announcement` is what a transaction says that changed something, so that the
    `listener` of every worker hears it.
    """

    engine: AsyncEngine
    looking_engine: AsyncEngine
    dumping_engine: AsyncEngine
    announcement: Executable | None

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

    def listener(self, on_nudge: Callable[[], object]) -> Listener | None:
        """Calls `on_nudge` when another process may have changed something; None where nobody tells."""
        ...

    async def close(self) -> None: ...
