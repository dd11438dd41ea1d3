"""A connection whose failures are ours. It knows no table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import CursorResult, Executable
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_auth.adapters.sql.failures import Explain, translated
from gateway_auth.adapters.sql.rows import Column

Parameters = Mapping[str, Column]


class Guarded:
    """A connection whose failures are ours."""

    def __init__(self, connection: AsyncConnection, explain: Explain) -> None:
        self._connection = connection
        self.explain = explain
        self.joins_laterally = connection.dialect.name == "postgresql"
        """Whether a joined query may refer to the row that it is joined to. SQLite cannot, and needs not: it stops
        reading an app's keys when no other of them can be on the page."""

    async def run(
        self, statement: Executable, parameters: Parameters | Sequence[Parameters] | None = None
    ) -> CursorResult[*tuple[object, ...]]:
        """The buffered result of one statement."""
        with translated(self.explain):
            return await self._connection.execute(statement, parameters)

    async def commit(self) -> None:
        """Make everything visible at once, or nothing."""
        with translated(self.explain):
            await self._connection.commit()
