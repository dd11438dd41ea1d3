"""Where apps, keys, revocations, admins and the audit are managed, as small Protocols. What `ports` says holds here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.audit import AuditEvent, AuditFilter, AuditHead, AuditStanding, SealedRecord
from gateway_auth.core.creations import Creation
from gateway_auth.core.imported import ImportedKey
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation

__all__ = [
    "AdminReader", "Admins", "AppReader", "Apps", "AuditEvent", "AuditReader", "AuditedSnapshot", "Creations",
    "Imported", "ImportedReader", "KeyReader", "Keys", "Registry", "Revocations", "Snapshot", "Transaction",
]  # fmt: skip


class AppReader(Protocol):
    """The apps of one snapshot. Lists are in order of id, `after` exclusive, of one owner or of all."""

    async def get(self, app_id: str) -> AppRecord | None: ...
    async def page(self, *, limit: int, after: str = "", owner: str | None = None) -> Sequence[AppRecord]: ...


class Apps(AppReader, Protocol):
    """The apps inside one transaction."""

    async def save(self, app: AppRecord) -> None: ...
    async def delete(self, app_id: str) -> None: ...


class KeyReader(Protocol):
    """The keys of one snapshot. Lists are in order of id, `after` exclusive, of one app or owner or of all."""

    async def get(self, key_id: str) -> KeyRecord | None: ...
    async def page(
        self, *, limit: int, after: str = "", app_id: str | None = None, owner: str | None = None
    ) -> Sequence[KeyRecord]: ...
    async def count_active(self, app_id: str, *, now: float, at_most: int) -> int:
        """How many keys of an app are active and not about to be retired; counting ends at `at_most`."""
        ...

    async def unused(self, *, since: float, now: float, limit: int, after: str = "") -> Sequence[KeyRecord]:
        """Active keys that were neither used nor created at or after a time (epoch seconds)."""
        ...

    async def due(
        self, *, created_before: float, ends_before: float, now: float, limit: int, after: str = ""
    ) -> Sequence[KeyRecord]:
        """Active keys nobody has rotated yet, created before one time or expiring before another (epoch seconds)."""
        ...


class Keys(KeyReader, Protocol):
    """The keys inside one transaction."""

    async def save(self, key: KeyRecord) -> None:
        """Add it, or put it in place of the one of its id: all but what workers may have written since it was read."""
        ...

    async def delete(self, key_id: str) -> None: ...


class Revocations(Protocol):
    """The revocations inside one transaction."""

    async def save(self, revocation: Revocation, revision: int) -> None:
        """Add one, recorded as this revision."""
        ...

    async def prune(self, before: float) -> int:
        """Forget those that ended before a time (epoch seconds); returns how many."""
        ...


class ImportedReader(Protocol):
    """The keys of one snapshot that were issued elsewhere."""

    async def find(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        """Those found by any of the digests."""
        ...


class Imported(ImportedReader, Protocol):
    """The same inside one transaction. What is known of one goes with its key."""

    async def save(self, imported: ImportedKey) -> None: ...


class AdminReader(Protocol):
    """The admins of one snapshot. Lists are in order of id, `after` exclusive."""

    async def get(self, admin_id: str) -> AdminRecord | None: ...
    async def named(self, name: str) -> AdminRecord | None: ...
    async def page(self, *, limit: int, after: str = "") -> Sequence[AdminRecord]: ...


class Admins(AdminReader, Protocol):
    """The admins inside one transaction."""

    async def save(self, admin: AdminRecord) -> None: ...


class Creations(Protocol):
    """What admins created under an idempotency key, inside one transaction."""

    async def get(self, actor_id: str, name: str) -> Creation | None: ...
    async def save(self, creation: Creation) -> None:
        """Add one; there is none of its actor and name."""
        ...

    async def prune(self, before: float) -> None:
        """Forget those from before a time (epoch seconds)."""
        ...


class AuditReader(Protocol):
    """The audit of one snapshot. Records come as they are kept, unverified."""

    async def standing(self) -> AuditStanding: ...
    async def page(self, chosen: AuditFilter, *, limit: int, after: int = 0) -> Sequence[SealedRecord]:
        """Those wanted with a higher `seq` than `after`, oldest first."""
        ...

    async def last(self, chosen: AuditFilter, *, limit: int, before: int | None = None) -> Sequence[SealedRecord]:
        """Those wanted with a lower `seq` than `before`, newest first."""
        ...


class Snapshot(Protocol):
    """Apps, keys, imported ones and admins as they are at one moment, to look at."""

    @property
    def apps(self) -> AppReader: ...
    @property
    def keys(self) -> KeyReader: ...
    @property
    def admins(self) -> AdminReader: ...
    @property
    def imported(self) -> ImportedReader: ...


class AuditedSnapshot(Snapshot, Protocol):
    """The same with the audit of that moment."""

    @property
    def audit(self) -> AuditReader: ...


class Transaction(Protocol):
    """One management change. `record` appends the change-log row and the audit event of the same change."""

    @property
    def apps(self) -> Apps: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def revocations(self) -> Revocations: ...
    @property
    def imported(self) -> Imported: ...
    @property
    def admins(self) -> Admins: ...
    @property
    def creations(self) -> Creations: ...
    @property
    def audit(self) -> AuditReader:
        """Records of transactions before this one."""
        ...

    @property
    def audit_head(self) -> AuditHead:
        """The last audit record, this transaction's own among them."""
        ...

    async def record(self, event: AuditEvent) -> int:
        """Append change and audit rows; returns the new revision. The object is one workers remember (`ChangeKind`)."""
        ...

    async def witness(self, event: AuditEvent) -> None:
        """Append the audit row alone: of an event after which all that workers remember still holds."""
        ...


class Registry(Protocol):
    """Where apps and keys are managed. Raises StoreUnavailable.

    `reading` waits for nobody. A `transaction` excludes other writers, so what was read in it still holds; leaving it
    normally commits, an exception rolls all of it back.
    """

    def reading(self) -> AbstractAsyncContextManager[AuditedSnapshot]: ...
    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...
