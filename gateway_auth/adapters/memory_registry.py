"""The store in memory: apps, keys, revocations, change log and audit of one process. The twin of `adapters.sql`.

A transaction writes beside what readers see and takes its place at the end, so nobody sees a half of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec.structs import replace

from gateway_auth.adapters.memory_activity import MemoryNetworks
from gateway_auth.adapters.memory_audit import MemoryAudit, head_of
from gateway_auth.adapters.memory_imported import MemoryImported
from gateway_auth.adapters.memory_records import (
    MemoryAdmins,
    MemoryApps,
    MemoryCreations,
    MemoryKeys,
    MemoryRevocations,
    R,
    Recorded,
)
from gateway_auth.adapters.memory_usage import MemoryUsage
from gateway_auth.core.activity import Activity, Moment
from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.audit import (
    AuditEvent,
    SealedRecord,
    seal,
)
from gateway_auth.core.creations import Creation
from gateway_auth.core.imported import ImportedKey, Upgrade
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.usage import UsageBatch, UsageQuestion, UsageRow
from gateway_auth.ports import Change, ChangeBatch, KeyReading, NewDigest, RevocationReading

MAX_BATCH = 1000


class MemoryTransaction:
    """ports.Transaction and AuditedSnapshot."""

    def __init__(
        self,
        apps: Mapping[str, AppRecord],
        keys: Mapping[str, KeyRecord],
        revocations: Iterable[Recorded],
        imported: Mapping[str, ImportedKey],
        admins: Mapping[str, AdminRecord],
        creations: Iterable[Creation],
        revision: int,
        records: Sequence[SealedRecord],
    ) -> None:
        self.apps = MemoryApps(apps)
        self.keys = MemoryKeys(keys, self.apps)
        self.imported = MemoryImported(imported, self.keys)
        self.admins = MemoryAdmins(admins)
        self.creations = MemoryCreations(creations)
        self.revocations = MemoryRevocations(revocations)
        self.audit = MemoryAudit(records)
        self.audit_head = head_of(records)
        self.events: list[AuditEvent] = []
        self.records: list[SealedRecord] = []
        self.changes: list[tuple[float, Change]] = []
        self._revision = revision

    async def record(self, event: AuditEvent) -> int:
        """Append change and audit rows; returns the new revision."""
        if event.object_kind == "store" or event.object_kind == "admin" or event.object_kind == "route":
            raise ValueError(f"{event.object_kind}: nothing that workers remember; witness the event")
        self._revision += 1
        self.changes.append((event.at, Change(self._revision, event.object_kind, event.object_id)))
        await self.witness(event)
        return self._revision

    async def witness(self, event: AuditEvent) -> None:
        """Append the audit row alone."""
        sealed = seal(self.audit_head, event)
        self.audit_head = sealed.head
        self.events.append(event)
        self.records.append(sealed)


class MemoryRegistry:
    """ports.KeyStore, ChangeFeed, RevocationStore, Registry, UsageSink, UsageReader and StoreCare.

    `audit` is what was recorded, oldest first.
    """

    def __init__(self) -> None:
        self.audit: list[AuditEvent] = []
        self.records: list[SealedRecord] = []
        self._changes: list[tuple[float, Change]] = []
        self._apps: dict[str, AppRecord] = {}
        self._keys: dict[str, KeyRecord] = {}
        self._revocations: list[Recorded] = []
        self._admins: dict[str, AdminRecord] = {}
        self._creations: list[Creation] = []
        self._usage = MemoryUsage()
        self._networks = MemoryNetworks()
        self._imported: dict[str, ImportedKey] = {}
        self._pruned = 0
        self._turn = asyncio.Lock()

    async def read_key(self, key_id: str) -> KeyReading:
        """The key and its app as of one revision."""
        key = self._keys.get(key_id)
        return KeyReading(len(self._changes), key, self._apps[key.app_id] if key else None)

    async def current_revision(self) -> int:
        """The revision of the last change, 0 before the first."""
        return len(self._changes)

    async def changes_since(self, revision: int) -> ChangeBatch:
        """At most `MAX_BATCH` changes after `revision`; incomplete as in `SqlStore`."""
        current = len(self._changes)
        if revision < self._pruned or revision > current:
            return ChangeBatch(current, is_complete=False)
        changes = tuple(change for _, change in self._changes[revision : revision + MAX_BATCH])
        return ChangeBatch(changes[-1].revision if changes else current, changes)

    async def read_revocations(self, after: int) -> RevocationReading:
        """Those recorded after revision `after`; 0 for all."""
        found = tuple(entry for revision, entry in self._revocations if revision > after)
        return RevocationReading(len(self._changes), found)

    async def add_usage(self, batch: UsageBatch) -> None:
        """Add what a worker counted."""
        self._usage.add(batch)
        self._networks.add(batch)
        for key_id, (at, address) in batch.last_used.items():
            key = self._keys.get(key_id)
            if key is not None and (key.last_used_at is None or key.last_used_at <= at):
                self._keys[key_id] = replace(key, last_used_at=at, last_used_address=address)

    async def replace_digests(self, digests: Sequence[NewDigest]) -> None:
        """Put digests under another pepper in place of those that are still what they were."""
        for one in digests:
            key = self._keys.get(one.key_id)
            if key is not None and key.digest == one.old:
                self._keys[key.id] = replace(key, digest=one.new, pepper_id=one.pepper_id)

    async def usage_sums(self, question: UsageQuestion) -> Sequence[UsageRow]:
        """How much keys were used, oldest first."""
        app_of = {key.id: key.app_id for key in self._keys.values()}
        return self._usage.sums(question, app_of, {app.id: app.owner for app in self._apps.values()})

    async def key_activity(
        self, moment: Moment, *, limit: int, after: str = "", owner: str | None = None
    ) -> Sequence[Activity]:
        """What keys do now and did before, in order of id."""
        there = {key.id for key in self._keys.values() if owner in (None, self._apps[key.app_id].owner)}
        return self._networks.activity(self._usage.rows(), moment, limit=limit, after=after, there=there)

    async def prune_usage(self, *, minutes_before: float, all_before: float) -> None:
        """Keep usage older than the first by the hour, and none older than the second (epoch seconds)."""
        self._usage.prune(minutes_before, all_before)
        self._networks.prune(all_before)

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
        old = [change.revision for at, change in self._changes if at < before]
        gone = max(old, default=0) - self._pruned
        self._pruned += max(gone, 0)
        return max(gone, 0)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[MemoryTransaction]:
        """Waits for no writer: what is there is copied."""
        apps, keys, admins = dict(self._apps), dict(self._keys), dict(self._admins)
        imported, records = dict(self._imported), tuple(self.records)
        yield MemoryTransaction(apps, keys, self._revocations, imported, admins, self._creations, 0, records)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        """Waits for other writers of this process."""
        # Held across awaits on purpose: this is the lock of the database that the SQL store has instead.
        async with self._turn:
            transaction = MemoryTransaction(
                self._apps, self._keys, self._revocations, self._imported, self._admins, self._creations,
                len(self._changes), self.records,
            )  # fmt: skip
            yield transaction
            _put(transaction.apps.written, self._apps)
            _put(transaction.keys.written, self._keys)
            _put(transaction.admins.written, self._admins)
            self._creations = transaction.creations.kept
            self._imported |= transaction.imported.written
            self._revocations = transaction.revocations.kept
            self.audit.extend(transaction.events)
            self.records.extend(transaction.records)
            self._changes.extend(transaction.changes)

    async def close(self) -> None:
        """Nothing to close."""


def _put(written: Mapping[str, R | None], there: dict[str, R]) -> None:
    for object_id, record in written.items():
        if record is None:
            there.pop(object_id, None)
        else:
            there[object_id] = record
