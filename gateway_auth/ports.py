"""Every edge to the outside as a small Protocol. What stands behind one is an adapter; each has a memory twin.

A port raises `errors.StoreUnavailable` (of an issuer: `IssuerUnavailable`) for an outage and nothing else foreign:
adapters translate, once. Counters that all share raise `RedisUnavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from msgspec import Struct

from gateway_auth.core.imported import ImportedKey
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.lease import Grant, Want
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.shares import Share
from gateway_auth.core.slots import SlotAnswer, SlotWish
from gateway_auth.core.token import Revocation

# -- time and chance ---------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The time. `now` is UTC epoch seconds, `monotonic` seconds of a clock that never goes back."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class Random(Protocol):
    """The system's CSPRNG."""

    def below(self, limit: int) -> int:
        """A uniform number in [0, limit)."""


# -- what requests are judged by ---------------------------------------------------------------------------------


class KeyReading(Struct, frozen=True):
    """A key with its app as of `revision`, read in one snapshot. Both are None when there is no such key."""

    revision: int
    key: KeyRecord | None = None
    app: AppRecord | None = None


ChangeKind = Literal["app", "key", "token"]


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


class RevocationReading(Struct, frozen=True):
    """Tokens taken back after some revision, as of `revision`, read in one snapshot. Ended entries may be missing."""

    revision: int
    revocations: tuple[Revocation, ...] = ()


class RevocationStore(Protocol):
    """Reads which tokens were taken back. Raises StoreUnavailable."""

    async def read_revocations(self, after: int) -> RevocationReading:
        """Those recorded after revision `after`; 0 for all."""
        ...


# -- issuers of tokens -------------------------------------------------------------------------------------------


class VerificationKey(Protocol):
    """A public or shared key, bound to exactly one algorithm (RFC 8725 section 3.1).

    `algorithm` is the name tokens must use; `key_id` its `kid`, None where the set gives it none.
    """

    @property
    def algorithm(self) -> str: ...
    @property
    def key_id(self) -> str | None: ...
    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether this key made this signature. Never raises, whatever the bytes are."""
        ...


class KeySetSource(Protocol):
    """Where the keys of one issuer come from: its metadata, an address, a file or the configuration."""

    async def fetch(self) -> Sequence[VerificationKey]:
        """The usable keys as they are now; unusable ones are left out. Raises IssuerUnavailable."""
        ...


class Introspector(Protocol):
    """Asks one issuer about opaque tokens (RFC 7662)."""

    async def introspect(self, token: bytes) -> Mapping[str, object] | None:
        """The claims of an active token, None for any other. Raises IssuerUnavailable."""
        ...


# -- counting ----------------------------------------------------------------------------------------------------


class LimitStore(Protocol):
    """Counts. All limits of a request are taken together or none is; `partitions` stand in the order of the limits."""

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """The outcome, or None where it cannot be known without waiting: then `take` is awaited."""
        ...

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome: ...


class SlotStore(Protocol):
    """Lends the slots of a request: all or none. `limits.slots` are meant, `partitions` stand in their order.

    An admitted outcome holds them until they are released; its `status` is what is left of each.
    """

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """The outcome, or None where it cannot be known without waiting: then `take` is awaited."""
        ...

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome: ...


class SlotTable(Protocol):
    """Where each worker says how many slots it holds, so that all know how many are held. One call at a time.

    What a worker said is believed for `lease_seconds`. Raises RedisUnavailable: then it may have been heard or not.
    """

    @property
    def lease_seconds(self) -> float: ...

    async def tell(self, held: Mapping[bytes, int], wishes: Sequence[SlotWish]) -> Sequence[SlotAnswer]:
        """This worker holds so many of each name, no matter what it said before, and wants those in addition."""
        ...


class ShareStore(Protocol):
    """Counts for all, and lends shares ahead of requests."""

    async def take(self, wants: Sequence[Want]) -> Grant:
        """Meet all needs of these together or none, and lend as much ahead as may be. Each window stands there once.

        Raises RedisUnavailable; then what was charged is unknown, and nothing of it may be spent.
        """
        ...


class LocalLimitStore(Protocol):
    """Counts in this process alone, so that it never waits."""

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome: ...

    def note(self, limits: LimitSet, partitions: Sequence[str | int]) -> None:
        """Count what was admitted elsewhere, each limit by itself and as far as there is room in it."""
        ...


class LiveWorkers(Protocol):
    """The workers of all nodes that share their counters."""

    @property
    def share(self) -> Share:
        """How many live, as far as is known, and which of them this is. Another object only after a change."""
        ...


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


class Revocations(Protocol):
    """The revocations inside one transaction."""

    async def save(self, revocation: Revocation, revision: int) -> None:
        """Add one, recorded as this revision."""
        ...

    async def prune(self, before: float) -> int:
        """Forget those that ended before a time (epoch seconds); returns how many."""
        ...


class Imported(Protocol):
    """The keys inside one transaction that were issued elsewhere. What is known of one goes with its key."""

    async def find(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]: ...
    async def save(self, imported: ImportedKey) -> None: ...


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
    @property
    def revocations(self) -> Revocations: ...
    @property
    def imported(self) -> Imported: ...
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
