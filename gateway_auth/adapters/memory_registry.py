"""The store in memory: apps, keys, revocations, change log and audit of one process. The twin of `adapters.sql`.

A transaction writes beside what readers see and takes its place at the end, so nobody sees a half of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Generic, TypeVar

from msgspec.structs import replace

from gateway_auth.core.imported import ImportedKey, Upgrade
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation
from gateway_auth.ports import AuditEvent, Change, ChangeBatch, KeyReading, RevocationReading

MAX_BATCH = 1000

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


class MemoryTransaction:
    """ports.Transaction."""

    def __init__(
        self,
        apps: Mapping[str, AppRecord],
        keys: Mapping[str, KeyRecord],
        revocations: Iterable[Recorded],
        imported: Mapping[str, ImportedKey],
        revision: int,
    ) -> None:
        self.apps = MemoryApps(apps)
        self.keys = MemoryKeys(keys)
        self.imported = MemoryImported(imported, self.keys)
        self.revocations = MemoryRevocations(revocations)
        self.events: list[AuditEvent] = []
        self._revision = revision

    async def record(self, event: AuditEvent) -> int:
        """Append change and audit rows; returns the new revision."""
        self.events.append(event)
        return self._revision + len(self.events)


class MemoryRegistry:
    """ports.KeyStore, ChangeFeed, RevocationStore and Registry. `audit` is what was recorded, oldest first."""

    def __init__(self) -> None:
        self.audit: list[AuditEvent] = []
        self._apps: dict[str, AppRecord] = {}
        self._keys: dict[str, KeyRecord] = {}
        self._revocations: list[Recorded] = []
        self._imported: dict[str, ImportedKey] = {}
        self._pruned = 0
        self._turn = asyncio.Lock()

    async def read_key(self, key_id: str) -> KeyReading:
        """The key and its app as of one revision."""
        key = self._keys.get(key_id)
        return KeyReading(len(self.audit), key, self._apps[key.app_id] if key else None)

    async def current_revision(self) -> int:
        """The revision of the last change, 0 before the first."""
        return len(self.audit)

    async def changes_since(self, revision: int) -> ChangeBatch:
        """At most `MAX_BATCH` changes after `revision`; incomplete as in `SqlStore`."""
        current = len(self.audit)
        if revision < self._pruned or revision > current:
            return ChangeBatch(current, is_complete=False)
        # Every event of this store is a change, so event n has revision n.
        events = self.audit[revision : revision + MAX_BATCH]
        changes = tuple(
            Change(number, event.object_kind, event.object_id) for number, event in enumerate(events, revision + 1)
        )
        return ChangeBatch(changes[-1].revision if changes else current, changes)

    async def read_revocations(self, after: int) -> RevocationReading:
        """Those recorded after revision `after`; 0 for all."""
        found = tuple(entry for revision, entry in self._revocations if revision > after)
        return RevocationReading(len(self.audit), found)

    async def find_imported(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        """The imported keys found by any of the digests."""
        async with self.reading() as snapshot:
            return await snapshot.imported.find(lookups)

    async def upgrade_imported(self, upgrade: Upgrade) -> None:
        """Nothing people see changes, so nobody is told of it."""
        async with self.transaction() as transaction:
            await transaction.imported.upgrade(upgrade)

    async def prune_changes(self, before: float) -> int:
        """Forget changes from before a time; returns how many."""
        old = [number for number, event in enumerate(self.audit, 1) if event.at < before]
        gone = max(old, default=0) - self._pruned
        self._pruned += max(gone, 0)
        return max(gone, 0)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[MemoryTransaction]:
        """Waits for no writer: what is there is copied."""
        yield MemoryTransaction(
            dict(self._apps), dict(self._keys), self._revocations, dict(self._imported), len(self.audit)
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        """Waits for other writers of this process."""
        # Held across awaits on purpose: this is the lock of the database that the SQL store has instead.
        async with self._turn:
            transaction = MemoryTransaction(self._apps, self._keys, self._revocations, self._imported, len(self.audit))
            yield transaction
            _put(transaction.apps.written, self._apps)
            _put(transaction.keys.written, self._keys)
            self._imported |= transaction.imported.written
            self._revocations = transaction.revocations.kept
            self.audit.extend(transaction.events)

    async def close(self) -> None:
        """Nothing to close."""


def _put(written: Mapping[str, R | None], there: dict[str, R]) -> None:
    for object_id, record in written.items():
        if record is None:
            there.pop(object_id, None)
        else:
            there[object_id] = record
