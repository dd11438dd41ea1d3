"""Verifies keys that were issued elsewhere, which have no id in them. Ours never come here.

Whose text a proven one is never changes, so that is remembered by a fingerprint of the text; what the key may do is
asked as of any other. Slow hashes are compared one at a time, off the event loop, each key's once: it is upgraded then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Protocol

from cachetools import TTLCache

from gateway_auth.core.imported import (
    ImportedKey,
    SlowHash,
    Upgrade,
    finding_messages,
    may_be_imported,
    proving_messages,
    text_message,
)
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import VerifiedKey
from gateway_auth.core.memo import Generations
from gateway_auth.engine.api_key import INVALID, Invalid, KeyVerifier
from gateway_auth.engine.patience import within
from gateway_auth.engine.principal_cache import MAX_KEYS, MAX_UNKNOWN, UNKNOWN_SECONDS
from gateway_auth.engine.singleflight import SingleFlight
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock

logger = logging.getLogger("gateway_auth.keys")

MAX_SLOW_WAITING = 16
"""Who comes while so many wait for a slow hash is told to come again. Keys that were used once never wait here."""
MAX_WAIT_SECONDS = 5.0
MAX_READS = 32
READ_TIMEOUT_SECONDS = 2.0

VerifySlowHash = Callable[[SlowHash, str, bytes], bool]


class ImportedStore(Protocol):
    """Where they are found, and what they are upgraded to is kept. Raises StoreUnavailable."""

    async def find_imported(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        """Those found by any of the digests: at most one by each, and a few at most of those that begin alike."""
        ...

    async def upgrade_imported(self, upgrade: Upgrade) -> None:
        """Make of a key what the upgrade says; nothing, where it is gone or not as before."""
        ...


class ImportedKeys:
    """What `KeyVerifier` asks about texts that are not in the form of our keys. `recall` never waits."""

    def __init__(
        self,
        keys: KeyVerifier,
        peppers: PepperRing,
        store: ImportedStore,
        verify_slow_hash: VerifySlowHash,
        fingerprint: Callable[[bytes], bytes],
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._peppers = peppers
        self._store = store
        self._verify_slow_hash = verify_slow_hash
        self._fingerprint = fingerprint
        self._ids: Generations[bytes, str] = Generations(MAX_KEYS)
        self._unknown: TTLCache[bytes, None] = TTLCache(MAX_UNKNOWN, UNKNOWN_SECONDS, timer=clock.monotonic)
        self._flight: SingleFlight[bytes, str | None] = SingleFlight()
        self._reads = asyncio.Semaphore(MAX_READS)
        self._slow = asyncio.Semaphore(1)
        self._slow_waiting = 0
        self._upgrades: set[asyncio.Task[None]] = set()

    def recall(self, presented: bytes) -> VerifiedKey | Invalid | None:
        """The key, or that it is none, from memory; None where the store has to be asked."""
        if not may_be_imported(presented):
            return INVALID
        mark = self._fingerprint(presented)
        key_id = self._ids[mark]
        if key_id is not None:
            return self._keys.recall_by_id(key_id)
        return INVALID if mark in self._unknown else None

    async def verify(self, presented: bytes) -> VerifiedKey | Invalid:
        """The same, asking the store. Raises StoreUnavailable."""
        if not may_be_imported(presented):
            return INVALID
        mark = self._fingerprint(presented)
        key_id = self._ids[mark]
        if key_id is None:
            key_id = await self._identified(presented, mark)
        return INVALID if key_id is None else await self._keys.verify_by_id(key_id)

    async def close(self) -> None:
        """Give up what is under way."""
        await self._flight.close()
        for task in self._upgrades:
            task.cancel()
        await asyncio.gather(*self._upgrades, return_exceptions=True)

    async def _identified(self, presented: bytes, mark: bytes) -> str | None:
        """Whose text it is, if that is known soon. Whoever comes again finds what became of it."""
        try:
            # A task of its own: who leaves early leaves no slow hash running beside the next one.
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                return await self._flight.do(mark, lambda: self._identify(presented, mark))
        except TimeoutError as error:
            raise StoreUnavailable("the slow hash of an imported key is still being compared") from error

    async def _identify(self, presented: bytes, mark: bytes) -> str | None:
        """Whose text it is."""
        if mark in self._unknown:
            return None
        proving = [digest for message in proving_messages(presented) for digest in self._peppers.digests(message)]
        finding = [digest for message in finding_messages(presented) for digest in self._peppers.digests(message)]
        for found in await self._find([*proving, *finding]):
            if await self._is_proven(found, presented, proving):
                self._ids.put(mark, found.key_id)
                self._upgrade_soon(found, presented, mark)
                return found.key_id
        self._unknown[mark] = None
        return None

    async def _is_proven(self, found: ImportedKey, presented: bytes, proving: Sequence[bytes]) -> bool:
        slow_kind = found.slow_kind
        if slow_kind is None:
            return any(compare_digest(found.lookup, digest) for digest in proving)
        if self._slow_waiting >= MAX_SLOW_WAITING:
            raise StoreUnavailable("too many imported keys wait for their slow hash to be compared")
        self._slow_waiting += 1
        try:
            async with self._slow:
                return await asyncio.to_thread(self._verify_slow_hash, slow_kind, found.hash, presented)
        finally:
            self._slow_waiting -= 1

    async def _find(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        try:
            async with within(READ_TIMEOUT_SECONDS), self._reads:
                return await self._store.find_imported(lookups)
        except TimeoutError as error:
            raise StoreUnavailable("the store did not answer in time") from error

    def _upgrade_soon(self, found: ImportedKey, presented: bytes, mark: bytes) -> None:
        """Store the digests of ours instead of what was imported, under the pepper of today."""
        if found.hash_kind is None and found.pepper_id == self._peppers.current_id:
            return
        digest = self._peppers.digest
        upgrade = Upgrade(found, digest(text_message(presented)), digest(presented), self._peppers.current_id)
        task = asyncio.create_task(self._upgrade(upgrade, mark), name="gateway-auth imported key")
        self._upgrades.add(task)
        task.add_done_callback(self._upgrades.discard)

    async def _upgrade(self, upgrade: Upgrade, mark: bytes) -> None:
        try:
            await self._store.upgrade_imported(upgrade)
        except StoreUnavailable as error:
            # It works as it is. Forgotten here, so that its next use tries again.
            logger.warning("imported key %s is not upgraded yet: %s", upgrade.before.key_id, error)
            self._ids.discard(mark)
