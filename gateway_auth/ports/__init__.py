"""Every edge to the outside as a small Protocol. What stands behind one is an adapter; each has a memory twin.

A port raises `errors.StoreUnavailable` (of an issuer: `IssuerUnavailable`) for an outage and nothing else foreign:
adapters translate, once. Counters that all share raise `RedisUnavailable`, or leave the
outcome to a `LimitFallback`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.lease import Grant, Want
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.shares import Share
from gateway_auth.core.slots import SlotAnswer, SlotWish
from gateway_auth.core.token import Revocation
from gateway_auth.ports.management import (
    AdminReader,
    Admins,
    AppReader,
    Apps,
    AuditedSnapshot,
    AuditEvent,
    AuditReader,
    Creations,
    Imported,
    KeyReader,
    Keys,
    Registry,
    Revocations,
    Snapshot,
    Transaction,
)
from gateway_auth.ports.usage import DigestStore, NewDigest, StoreCare, UsageReader, UsageSink

__all__ = [
    "AdminReader",
    "Admins",
    "AppReader",
    "Apps",
    "AuditEvent",
    "AuditReader",
    "AuditedSnapshot",
    "Change",
    "ChangeBatch",
    "ChangeFeed",
    "ChangeKind",
    "Clock",
    "Creations",
    "DigestStore",
    "Imported", "Introspector",
    "KeyReader",
    "KeyReading",
    "KeySetSource",
    "KeyStore",
    "Keys",
    "LimitStore",
    "LiveWorkers",
    "LocalLimitStore",
    "NewDigest",
    "Random",
    "Registry",
    "RevocationReading",
    "RevocationStore",
    "Revocations",
    "ShareStore",
    "SlotStore",
    "SlotTable",
    "Snapshot",
    "StoreCare",
    "Transaction",
    "UsageReader",
    "UsageSink",
    "VerificationKey"
]  # fmt: skip

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

    def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> Awaitable[LimitOutcome]: ...


class LimitFallback(Protocol):
    """What becomes of requests whose limits the shared counters could not count, and who hears of those they did."""

    def answered(self, admitted: Iterable[tuple[LimitSet, Sequence[str | int], int]]) -> None:
        """They have answered. Of what they admitted: limits, partitions, and how many requests."""
        ...

    def instead(self, limits: LimitSet, partitions: Sequence[str | int], kind: str) -> LimitOutcome:
        """The outcome for a request they did not answer; `kind` is that of a RedisUnavailable."""
        ...


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

    def note(self, limits: LimitSet, partitions: Sequence[str | int], times: int = 1) -> None:
        """Count requests admitted elsewhere, each limit by itself and as far as there is room in it."""
        ...


class LiveWorkers(Protocol):
    """The workers of all nodes that share their counters."""

    @property
    def share(self) -> Share:
        """How many live, as far as is known, and which of them this is. Another object only after a change."""
        ...
