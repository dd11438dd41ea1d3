"""The tables of admins and of what they created once. Knows no use case."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from gateway_auth.adapters.sql import schema
from gateway_auth.adapters.sql.failures import translated
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.records import SqlRecords
from gateway_auth.adapters.sql.rows import from_row, to_row
from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.creations import Creation


class SqlAdmins(SqlRecords[AdminRecord]):
    """ports.Admins."""

    async def named(self, name: str) -> AdminRecord | None:
        """The admin of this name."""
        found = await self.select(select(schema.admins).where(schema.admins.c.name == name))
        return found[0] if found else None

    async def page(self, *, limit: int, after: str = "") -> Sequence[AdminRecord]:
        """Admins in order of id."""
        ids = schema.admins.c.id
        return await self.select(select(schema.admins).where(ids > after).order_by(ids).limit(limit))


class SqlCreations:
    """ports.Creations."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    async def get(self, actor_id: str, name: str) -> Creation | None:
        """What this actor created under this name."""
        table = schema.creations
        row = (
            await self._guarded.run(select(table).where(table.c.actor_id == actor_id, table.c.name == name))
        ).one_or_none()
        with translated(self._guarded.explain):
            return None if row is None else from_row(Creation, tuple(row))

    async def save(self, creation: Creation) -> None:
        """Add one."""
        await self._guarded.run(insert(schema.creations), to_row(creation))

    async def prune(self, before: float) -> None:
        """Forget those from before a time (epoch seconds)."""
        await self._guarded.run(delete(schema.creations).where(schema.creations.c.at < int(before)))
