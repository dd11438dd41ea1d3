"""What differs between databases, as one small protocol.

Everything outside `sqlite.py` and `postgresql.py` is the same SQL for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection, Select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway_auth.adapters.sql.rows import Row

Query = Select[*tuple[object, ...]]

LOCK_TIMEOUT_SECONDS = 5.0
"""How long a writer waits for another one, and any command for a connection."""
READ_ONLY = "gateway_auth_read_only"
"""Execution option of a connection that only looks: its transaction takes no lock."""


class Driver(Protocol):
    """One database. `engine` is for write transactions, which it begins exclusively, and for the schema.

    `looking_engine` is for transactions that only read; they wait for no writer.
    """

    engine: AsyncEngine
    looking_engine: AsyncEngine

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
