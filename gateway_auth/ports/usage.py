"""What is known of keys after they were used, and what takes care of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from gateway_auth.core.activity import Activity, Moment
from gateway_auth.core.usage import UsageBatch, UsageQuestion, UsageRow


class UsageSink(Protocol):
    """Takes what workers have counted. Raises StoreUnavailable; then nothing of the batch was taken."""

    async def add_usage(self, batch: UsageBatch) -> None: ...


class NewDigest(Struct, frozen=True):
    """The digest of a key under another pepper, to stand where `old` still stands."""

    key_id: str
    old: bytes
    new: bytes
    pepper_id: str

    def __repr__(self) -> str:
        return f"NewDigest(key_id={self.key_id!r})"


class DigestStore(Protocol):
    """Takes new digests of keys: all of a call or none. No fact of a key changes by it. Raises StoreUnavailable."""

    async def replace_digests(self, digests: Sequence[NewDigest]) -> None: ...


class UsageReader(Protocol):
    """Tells how much keys were used. Raises StoreUnavailable."""

    async def usage_sums(self, question: UsageQuestion) -> Sequence[UsageRow]:
        """Sums by bucket, key, route and status class; oldest first."""
        ...

    async def key_activity(
        self, moment: Moment, *, limit: int, after: str = "", owner: str | None = None
    ) -> Sequence[Activity]:
        """Of the keys there are that were used within the last day, of one owner or all; in order of id."""
        ...


class StoreCare(Protocol):
    """Forgets what is too old. Raises StoreUnavailable."""

    async def prune_changes(self, before: float) -> int:
        """Forget changes from before a time (epoch seconds); returns how many. Late readers start anew."""
        ...

    async def prune_usage(self, *, minutes_before: float, all_before: float) -> None:
        """Keep usage older than the first by the hour, and none older than the second (epoch seconds)."""
        ...
