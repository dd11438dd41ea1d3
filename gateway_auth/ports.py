"""Every edge to the outside as a small Protocol. What stands behind one is an adapter; each has a memory twin.

A port raises `errors.StoreUnavailable` for an outage and nothing else foreign: adapters translate, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from msgspec import Struct

from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.limits import LimitOutcome, LimitSet

# -- time and chance ---------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The time. `now` is UTC epoch seconds, `monotonic` seconds of a clock that never goes back."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class Random(Protocol):
    """The system's CSPRNG."""

    def below(self, limit: int) -> int:
        """A uniform number in [0, limit)."""
        ...


# -- what requests are judged by ---------------------------------------------------------------------------------


class KeyReading(Struct, frozen=True):
    """A key with its app as of `revision`, read in one snapshot. Both are None when there is no such key."""

    revision: int
    key: KeyRecord | None = None
    app: AppRecord | None = None


ChangeKind = Literal["app", "key"]


class Change(Struct, frozen=True):
    """One row of the change log: object `object_id` of this kind is not what it was before `revision`."""

    revision: int
    kind: ChangeKind
    object_id: str


class ChangeBatch(Struct, frozen=True):
    """Changes after some revision, in order. `is_complete` is false when older rows are gone: forget everything then.

    `revision` is where the reader stands afterwards; equal to the last change's when more are waiting.
    """

    revision: int
    changes: tuple[Change, ...] = ()
    is_complete: bool = True


class KeyStore(Protocol):
    """Reads keys for judging requests. Raises StoreUnavailable."""

    async def read_key(self, key_id: str) -> KeyReading: ...


class ChangeFeed(Protocol):
    """Reads the change log, the truth about what changed. Raises StoreUnavailable."""

    async def current_revision(self) -> int: ...
    async def changes_since(self, revision: int) -> ChangeBatch: ...


class LimitStore(Protocol):
    """Counts. All limits of a request are taken together or none is; `partitions` stand in the order of the limits."""

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """The outcome, or None where it cannot be known without waiting: then `take` is awaited."""
        ...

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome: ...


# -- what management changes -------------------------------------------------------------------------------------


class AuditEvent(Struct, frozen=True, kw_only=True):
    """Who did what to which object. `before` and `after` are public fields, never secrets or digests."""

    at: float
    actor: str
    action: str
    object_kind: ChangeKind
    object_id: str
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None


class AppReader(Protocol):
    """The apps of one snapshot. Lists are in order of id, `after` exclusive."""

    async def get(self, app_id: str) -> AppRecord | None: ...
    async def page(self, *, limit: int, after: str = "") -> Sequence[AppRecord]: ...


class Apps(AppReader, Protocol):
    """The apps inside one transaction."""

    async def save(self, app: AppRecord) -> None: ...
    async def delete(self, app_id: str) -> None: ...


class KeyReader(Protocol):
    """The keys of one snapshot. Lists are in order of id, `after` exclusive, of one app or of all."""

    async def get(self, key_id: str) -> KeyRecord | None: ...
    async def page(self, *, limit: int, after: str = "", app_id: str | None = None) -> Sequence[KeyRecord]: ...


class Keys(KeyReader, Protocol):
    """The keys inside one transaction."""

    async def save(self, key: KeyRecord) -> None: ...
    async def delete(self, key_id: str) -> None: ...


class Snapshot(Protocol):
    """Apps and keys as they are at one moment, to look at."""

    @property
    def apps(self) -> AppReader: ...
    @property
    def keys(self) -> KeyReader: ...


class Transaction(Protocol):
    """One management change. `record` appends the change-log row and the audit event of the same change."""

    @property
    def apps(self) -> Apps: ...
    @property
    def keys(self) -> Keys: ...
    async def record(self, event: AuditEvent) -> int:
        """Append change and audit rows; returns the new revision."""
        ...


class Registry(Protocol):
    """Where apps and keys are managed. Raises StoreUnavailable.

    `reading` waits for nobody. A `transaction` excludes other writers, so what was read in it still holds; leaving it
    normally commits, an exception rolls all of it back.
    """

    def reading(self) -> AbstractAsyncContextManager[Snapshot]: ...
    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...
