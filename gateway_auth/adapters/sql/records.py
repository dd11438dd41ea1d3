"""One table of records by id, inside one transaction or snapshot. It knows no particular table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from sqlalchemy import Executable, Table, bindparam, delete, insert, select, update

from gateway_auth.adapters.sql.failures import translated
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.rows import Column, from_row, to_row
from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.keys import AppRecord, KeyRecord

N = TypeVar("N", bound=AppRecord | KeyRecord | AdminRecord)


class SqlRecords(Generic[N]):
    """One table of records by id. Columns `of_workers` are written once here, and afterwards by others."""

    of_workers: frozenset[str] = frozenset()

    def __init__(self, kind: type[N], table: Table, guarded: Guarded) -> None:
        self._kind = kind
        self._table = table
        self._guarded = guarded
        self._known: dict[str, bool] = {}
        """What this transaction has seen: nobody else writes meanwhile, so it still holds."""

    async def get(self, object_id: str) -> N | None:
        """The record of this id."""
        found = await self.select(select(self._table).where(self._table.c.id == object_id))
        self._known[object_id] = bool(found)
        return found[0] if found else None

    async def save(self, record: N) -> None:
        """Add it, or put it in the place of the one of its id."""
        row = to_row(record)
        is_known = self._known.get(record.id)
        is_there = is_known is not False and await self._update(record.id, row)
        if not is_there:
            await self._guarded.run(insert(self._table), row)
        self._known[record.id] = True

    async def delete(self, object_id: str) -> None:
        """Take it away, if it is there."""
        await self._guarded.run(delete(self._table).where(self._table.c.id == object_id))
        self._known[object_id] = False

    async def _update(self, object_id: str, row: Mapping[str, Column]) -> bool:
        # "object_id": a parameter named like a column would be taken for its new value.
        statement = update(self._table).where(self._table.c.id == bindparam("object_id"))
        ours = {name: value for name, value in row.items() if name not in self.of_workers}
        return (await self._guarded.run(statement, {**ours, "object_id": object_id})).rowcount > 0

    async def select(self, query: Executable) -> list[N]:
        """The records a query finds."""
        rows = (await self._guarded.run(query)).all()
        with translated(self._guarded.explain):
            return [from_row(self._kind, tuple(row)) for row in rows]
