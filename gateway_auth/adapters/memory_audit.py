"""The audit of the store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from gateway_auth.core.audit import GENESIS, AuditFilter, AuditHead, AuditRecord, AuditStanding, SealedRecord


class MemoryAudit:
    """ports.AuditReader."""

    def __init__(self, records: Sequence[SealedRecord]) -> None:
        self._records = records

    async def standing(self) -> AuditStanding:
        """Where it ends."""
        head = head_of(self._records)
        return AuditStanding(head, head.seq)

    async def page(self, chosen: AuditFilter, *, limit: int, after: int = 0) -> Sequence[SealedRecord]:
        """Those wanted after a `seq`, oldest first."""
        found = (sealed for sealed in self._records[after:] if _is_wanted(sealed.record, chosen))
        return list(islice(found, limit))

    async def last(self, chosen: AuditFilter, *, limit: int, before: int | None = None) -> Sequence[SealedRecord]:
        """Those wanted before a `seq`, newest first."""
        older = self._records if before is None else self._records[: before - 1]
        return list(islice((sealed for sealed in reversed(older) if _is_wanted(sealed.record, chosen)), limit))


def head_of(records: Sequence[SealedRecord]) -> AuditHead:
    """Where they end."""
    return records[-1].head if records else GENESIS


def _is_wanted(record: AuditRecord, chosen: AuditFilter) -> bool:
    return (
        (chosen.since is None or record.at >= chosen.since)
        and chosen.actor in (None, record.actor)
        and chosen.action in (None, record.action)
        and chosen.object_id in (None, record.object_id)
    )
