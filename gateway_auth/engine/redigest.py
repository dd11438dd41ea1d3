"""Keys whose digest was made with a previous pepper get one under the current, when they are used: only then is the
key itself there to be digested.
"""

from __future__ import annotations

from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import DigestStore, NewDigest

MAX_WAITING = 4096
"""New digests that wait to be written; a key that finds no place is digested anew at its next proof."""


class DigestLedger:
    """bookkeeping.Ledger of new digests."""

    def __init__(self, peppers: PepperRing, store: DigestStore) -> None:
        self._peppers = peppers
        self._store = store
        self._waiting: dict[str, NewDigest] = {}

    def note(self, record: KeyRecord, presented: bytes) -> None:
        """A key was proven, by this text. Nothing happens where its digest is of the current pepper."""
        if record.pepper_id == self._peppers.current_id or len(self._waiting) >= MAX_WAITING:
            return
        digest = self._peppers.digest(presented)
        self._waiting[record.id] = NewDigest(record.id, record.digest, digest, self._peppers.current_id)

    async def write(self) -> None:
        """Write what waits. Raises StoreUnavailable, and keeps it."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._store.replace_digests(list(waiting.values()))
        except StoreUnavailable:
            self._waiting = waiting | self._waiting
            raise
