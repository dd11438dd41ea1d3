"""The tables of the store in memory, as one transaction sees them. `memory_registry` is the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

from msgspec.structs import replace

from gateway_auth.core.audit import GENESIS, AuditFilter, AuditHead, AuditRecord, AuditStanding, SealedRecord
from gateway_auth.core.imported import ImportedKey, Upgrade
from gateway_auth.core.keys import AppRecord, KeyRecord, status_at
from gateway_auth.core.token import Revocation

R = TypeVar("R", bound=AppRecord | KeyRecord)

Recorded = tuple[int, Revocation]


class _Staged(Generic[R]):
    """Records as one transaction sees them: what it wrote over what is there. None stands for deleted."""

    def __init__(self, there: Mapping[str, R]) -> None:
        self._there = there
        self.written: dict[str, R | None] = {}

    async def get(self, object_id: str) -> R | None:
        if object_id in self.written:
            return self.written[object_id]
        return self._there.get(object_id)

    async def save(self, record: R) -> None:
        self.written[record.id] = record

    async def delete(self, object_id: str) -> None:
        self.written[object_id] = None

    def _after(self, after: str) -> Iterator[R]:
        for object_id in sorted(self._there.keys() | self.written.keys()):
            record = self.written[object_id] if object_id in self.written else self._there[object_id]
            if object_id > after and record is not None:
                yield record


class MemoryApps(_Staged[AppRecord]):
    """ports.Apps."""

    async def page(self, *, limit: int, after: str = "") -> Sequence[AppRecord]:
        """Apps in order of id."""
        return list(islice(self._after(after), limit))


class MemoryKeys(_Staged[KeyRecord]):
    """ports.Keys."""

    async def page(self, *, limit: int, after: str = "", app_id: str | None = None) -> Sequence[KeyRecord]:
        """Keys in order of id, of one app or of all."""
        chosen = (key for key in self._after(after) if app_id is None or key.app_id == app_id)
        return list(islice(chosen, limit))

    async def count_active(self, app_id: str, *, now: float, at_most: int) -> int:
        """Those of the app that go on working; counting ends at `at_most`."""
        chosen = (key for key in self._active(now) if key.app_id == app_id and key.retires_at is None)
        return sum(1 for _ in islice(chosen, at_most))

    async def unused(self, *, since: float, now: float, limit: int, after: str = "") -> Sequence[KeyRecord]:
        """Active, and neither used nor created since."""
        chosen = (key for key in self._active(now, after) if (key.last_used_at or key.created_at) < since)
        return list(islice(chosen, limit))

    async def due(
        self, *, created_before: float, ends_before: float, now: float, limit: int, after: str = ""
    ) -> Sequence[KeyRecord]:
        """Active, not rotated, and old or about to expire."""
        chosen = (
            key
            for key in self._active(now, after)
            if key.retires_at is None
            and (key.created_at < created_before or (key.expires_at is not None and key.expires_at < ends_before))
        )
        return list(islice(chosen, limit))

    def _active(self, now: float, after: str = "") -> Iterator[KeyRecord]:
        return (key for key in self._after(after) if status_at(key, now) == "active")


class MemoryRevocations:
    """ports.Revocations. `kept` is what there is after the transaction, each with the revision it was recorded as."""

    def __init__(self, there: Iterable[Recorded]) -> None:
        self.kept = list(there)

    async def save(self, revocation: Revocation, revision: int) -> None:
        """Add one, recorded as this revision."""
        self.kept.append((revision, revocation))

    async def prune(self, before: float) -> int:
        """Forget those that ended before a time; returns how many."""
        count = len(self.kept)
        self.kept = [(revision, entry) for revision, entry in self.kept if entry.expires_at >= before]
        return count - len(self.kept)


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


class MemoryImported:
    """ports.Imported. `written` is what this transaction wrote over what is there."""

    def __init__(self, there: Mapping[str, ImportedKey], keys: MemoryKeys) -> None:
        self._there = there
        self._keys = keys
        self.written: dict[str, ImportedKey] = {}

    async def find(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        """Those found by any of the digests."""
        everything = {**self._there, **self.written}.values()
        found = [entry for entry in everything if entry.lookup in lookups]
        return [entry for entry in found if await self._keys.get(entry.key_id) is not None]

    async def save(self, imported: ImportedKey) -> None:
        """Add one; its key is saved already."""
        self.written[imported.key_id] = imported

    async def upgrade(self, upgrade: Upgrade) -> None:
        """Unless somebody has done it meanwhile, or the key is gone."""
        key = await self._keys.get(upgrade.before.key_id)
        if key is None or upgrade.before not in await self.find([upgrade.before.lookup]):
            return
        await self._keys.save(replace(key, digest=upgrade.digest, pepper_id=upgrade.pepper_id))
        await self.save(ImportedKey(key_id=key.id, lookup=upgrade.lookup, pepper_id=upgrade.pepper_id))


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
