"""Reading the audit: pages in order, and where it ends. Whether records are genuine the chain says, not this."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Executable, Select, func, select

from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.rows import Row, sealed_in
from gateway_auth.adapters.sql.schema import audit, head
from gateway_auth.core.audit import AuditFilter, AuditHead, AuditRecord, AuditStanding, SealedRecord
from gateway_auth.errors import StoreUnavailable

COLUMNS = [audit.c[name] for name in (*AuditRecord.__struct_fields__, "hash")]
LAST = select(func.max(audit.c.seq))
STANDING = select(head.c.audit_seq, head.c.audit_hash, LAST.scalar_subquery()).where(head.c.id == 1)


class SqlAudit:
    """ports.AuditReader."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    async def standing(self) -> AuditStanding:
        """Both in one statement: writers go on meanwhile."""
        seq, digest, last = (await self._guarded.run(STANDING)).one()
        if not isinstance(seq, int) or not isinstance(digest, bytes):
            raise StoreUnavailable("the store does not say where it stands; restore it from a backup")
        return AuditStanding(AuditHead(seq, digest), last if isinstance(last, int) else 0)

    async def page(self, chosen: AuditFilter, *, limit: int, after: int = 0) -> Sequence[SealedRecord]:
        """Those wanted after a `seq`, oldest first."""
        return await self._read(chosen_after(chosen, limit=limit, after=after))

    async def last(self, chosen: AuditFilter, *, limit: int, before: int | None = None) -> Sequence[SealedRecord]:
        """Those wanted before a `seq`, newest first."""
        return await self._read(chosen_before(chosen, limit=limit, before=before))

    async def _read(self, query: Executable) -> list[SealedRecord]:
        rows: Sequence[Row] = (await self._guarded.run(query)).all()
        return [sealed_in(row) for row in rows]


def chosen_after(chosen: AuditFilter, *, limit: int, after: int) -> Select[*tuple[object, ...]]:
    """A page, oldest first."""
    return _wanted(chosen).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)


def chosen_before(chosen: AuditFilter, *, limit: int, before: int | None) -> Select[*tuple[object, ...]]:
    """A page, newest first."""
    query = _wanted(chosen).order_by(audit.c.seq.desc()).limit(limit)
    return query if before is None else query.where(audit.c.seq < before)


def _wanted(chosen: AuditFilter) -> Select[*tuple[object, ...]]:
    """The records that meet all that is given."""
    query: Select[*tuple[object, ...]] = select(*COLUMNS)
    if chosen.since is not None:
        query = query.where(audit.c.at >= chosen.since)
    for column, value in (
        (audit.c.actor, chosen.actor), (audit.c.action, chosen.action), (audit.c.object_id, chosen.object_id),
    ):  # fmt: skip
        if value is not None:
            query = query.where(column == value)
    return query
