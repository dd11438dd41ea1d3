"""Verifies API keys: from memory at once, else from the store, once for however many ask."""

from __future__ import annotations

import logging
from collections.abc import Callable
from hmac import compare_digest
from typing import Protocol

from gateway_auth.core.credential import ApiKey
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord, VerifiedKey, compile_key
from gateway_auth.core.ruleset import RuleSet
from gateway_auth.engine.changes import ChangeFollower
from gateway_auth.engine.key_reads import KeyReads
from gateway_auth.engine.principal_cache import CachedKey, PrincipalCache
from gateway_auth.engine.singleflight import SingleFlight
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock, KeyReading, KeyStore

logger = logging.getLogger("gateway_auth.keys")

MAX_REREADS = 3
REFRESH_PART = 0.1
"""A key in use is read again when between one and two of these parts of its life are left: nobody waits for it."""
RETRY_SECONDS = 1.0
"""How soon again where it could not be read."""


class Invalid:
    """The answer for what proves nothing: unknown, malformed or wrong secret, deliberately not told apart."""


INVALID = Invalid()


def nothing_to_note(_record: KeyRecord, _presented: bytes) -> None:
    """For a verifier whose store takes no new digests."""


class ForeignKeys(Protocol):
    """Who knows keys that are not in the form of ours (imported.ImportedKeys)."""

    def recall(self, presented: bytes) -> VerifiedKey | Invalid | None: ...
    async def verify(self, presented: bytes) -> VerifiedKey | Invalid: ...


class KeyVerifier:
    """Answers who a presented key is. `recall` never waits; `verify` asks the store.

    `hits` are presented keys that were in memory, `misses` those that had to be read.
    `on_proven` is told of a key and its text when that was compared with the digest, not when it is remembered.
    """

    def __init__(
        self,
        rules: RuleSet,
        peppers: PepperRing,
        store: KeyStore,
        cache: PrincipalCache,
        changes: ChangeFollower,
        fingerprint: Callable[[bytes], bytes],
        clock: Clock,
        cache_seconds: float,
        on_proven: Callable[[KeyRecord, bytes], None] = nothing_to_note,
    ) -> None:
        self.hits = self.misses = 0
        self.imported: ForeignKeys | None = None
        self._rules = rules
        self._format = rules.key_format
        self._id_start, self._id_end = rules.key_format.id_start, rules.key_format.id_end
        self._peppers = peppers
        self._cache = cache
        self._changes = changes
        self._fingerprint = fingerprint
        self._monotonic, self._now = clock.monotonic, clock.now
        self._cache_seconds = cache_seconds
        self._on_proven = on_proven
        self._flight: SingleFlight[tuple[str, int], CachedKey | None] = SingleFlight()
        self._reads = KeyReads(store)

    def recall(self, credential: ApiKey) -> VerifiedKey | Invalid | None:
        """The key, or that it is none, from memory; None where the store has to be asked."""
        presented = credential.presented
        entry = self._cache.known[presented[self._id_start : self._id_end]]
        if entry is None:
            return self._recall_unknown(presented)
        monotonic = self._monotonic
        now = monotonic()
        if now >= self._changes.serve_until or (now >= entry.refresh_at and self._is_over(entry, now)):
            return None if self._format.parse_key_id(presented) else INVALID
        self.hits += 1
        if entry.fingerprint is None:
            return self._prove(presented, entry)
        # Another text than the one proven cannot have the same digest: no need to compute it.
        mark = credential.mark
        if mark is None:
            credential.mark = mark = self._fingerprint(presented)
        return entry.key if compare_digest(mark, entry.fingerprint) else INVALID

    def _is_over(self, entry: CachedKey, now: float) -> bool:
        """Whether a key past its `refresh_at` may not be used any more; while it may, it is read again meanwhile."""
        if self._changes.is_degraded:
            return False
        if now >= entry.dies_at:
            return True
        entry.refresh_at = min(now + RETRY_SECONDS, entry.dies_at)
        key_id = entry.key.record.id
        self._flight.begin((key_id, self._changes.revision), lambda: self._load(key_id))
        return False

    async def close(self) -> None:
        """Give up what is being read ahead."""
        await self._flight.close()

    def _recall_unknown(self, presented: bytes) -> VerifiedKey | Invalid | None:
        key_id = self._format.parse_key_id(presented)
        if key_id is None:
            return INVALID if self.imported is None else self.imported.recall(presented)
        return self._recall_unknown_id(key_id)

    def _recall_unknown_id(self, key_id: str) -> Invalid | None:
        if self._cache.is_unknown(key_id.encode()) and self._monotonic() < self._changes.serve_until:
            return INVALID
        return None

    @property
    def remembered(self) -> int:
        """How many keys and unknown ids are in memory."""
        return len(self._cache)

    async def verify(self, presented: bytes) -> VerifiedKey | Invalid:
        """The key, or that it is none. Raises StoreUnavailable when neither memory nor the store can tell."""
        key_id = self._format.parse_key_id(presented)
        if key_id is None:
            return INVALID if self.imported is None else await self.imported.verify(presented)
        entry = await self._current(key_id)
        return self._prove(presented, entry) if entry is not None else INVALID

    def recall_by_id(self, key_id: str) -> VerifiedKey | Invalid | None:
        """A key whose text was proven elsewhere (`imported`), or that it is gone, from memory; None as `recall`."""
        entry = self._cache.known[key_id.encode()]
        if entry is None:
            return self._recall_unknown_id(key_id)
        return entry.key if self._is_usable(entry) else None

    async def verify_by_id(self, key_id: str) -> VerifiedKey | Invalid:
        """The same, asking the store; Invalid where the key is gone. Raises StoreUnavailable."""
        entry = await self._current(key_id)
        return entry.key if entry is not None else INVALID

    async def _current(self, key_id: str) -> CachedKey | None:
        if self._monotonic() >= self._changes.serve_until:
            await self._changes.catch_up()
        entry = self._cache.known[key_id.encode()]
        if entry is None or not self._is_usable(entry):
            self.misses += 1
            entry = await self._load_or_keep(key_id, entry)
        return entry

    def _is_usable(self, entry: CachedKey) -> bool:
        """Whether what is remembered may be used: not too old, or the store is down and not too old for that."""
        now = self._monotonic()
        changes = self._changes
        return now < changes.serve_until and (now < entry.dies_at or changes.is_degraded)

    async def _load_or_keep(self, key_id: str, remembered: CachedKey | None) -> CachedKey | None:
        """The key from the store; where that cannot be read, what is remembered of it."""
        if self._changes.is_backing_off():
            raise StoreUnavailable("the store could not be read a moment ago")
        try:
            # By revision: who asks after a change was read must not share a reading that began before it.
            return await self._flight.do((key_id, self._changes.revision), lambda: self._load(key_id))
        except StoreUnavailable:
            await self._changes.catch_up()
            if remembered is None or not (self._is_usable(remembered) or self._is_prolonged(remembered)):
                raise
            return remembered

    def _is_prolonged(self, entry: CachedKey) -> bool:
        """Give a key that is too old and cannot be read again a moment more, if the log vouches for it.

        That the log can be read while keys cannot (a slow store, a flood) vouches better than an outage of both, in
        which it would be used for as long.
        """
        now, end = self._monotonic(), entry.read_at + self._cache_seconds + self._changes.max_stale_seconds
        if now >= min(self._changes.serve_until, end):
            return False
        entry.refresh_at = now
        entry.dies_at = min(now + RETRY_SECONDS, end)
        return True

    async def _load(self, key_id: str) -> CachedKey | None:
        is_stranger = not self._cache.is_of_a_key(key_id.encode())
        reading = await self._reads.read(key_id, is_stranger=is_stranger)
        for _ in range(MAX_REREADS):
            if reading.revision >= self._changes.revision:
                return self._remember(key_id, reading)
            # The log moved on while this was read: what was read may be what it was before the change.
            reading = await self._reads.read(key_id, is_stranger=is_stranger)
        return self._compile(reading)

    def _remember(self, key_id: str, reading: KeyReading) -> CachedKey | None:
        cache_key = key_id.encode()
        if reading.revision < self._cache.revision_of(cache_key):
            # A quicker reading that began later has told more.
            return self._cache.recall(cache_key)
        entry = self._compile(reading, self._cache.recall(cache_key))
        if entry is None:
            self._cache.put_unknown(cache_key, reading.revision)
        else:
            self._cache.put(cache_key, entry)
        return entry

    def _compile(self, reading: KeyReading, before: CachedKey | None = None) -> CachedKey | None:
        """The judging form of what was read: the one `before` where nothing changed, so that memos of it stay."""
        if reading.key is None or reading.app is None:
            return None
        now = self._now()
        try:
            if before is not None and before.key.still_is(reading.key, reading.app, now):
                key = before.key
            else:
                key = compile_key(reading.key, reading.app, self._rules.scopes_of, self._rules.plans, now)
        except ValueError as error:
            logger.error("key %s cannot be used: %s", reading.key.id, error)
            return None
        read_at = self._monotonic()
        # Spread over keys and, as the fingerprint is of this process, over workers: what was read together is not read
        # again together.
        part = REFRESH_PART * (1 + self._fingerprint(reading.key.id.encode())[0] / 256)
        # When a grant ends, who it is changes: better once, there, than on each request from then on.
        fresh_seconds = min(self._cache_seconds * (1 - part), key.principal_until - now)
        return CachedKey(key, reading.revision, read_at, read_at + self._cache_seconds, read_at + fresh_seconds)

    def _prove(self, presented: bytes, entry: CachedKey) -> VerifiedKey | Invalid:
        """The one place a secret is compared."""
        record = entry.key.record
        if not self._peppers.verify(presented, record.digest, record.pepper_id):
            return INVALID
        entry.fingerprint = self._fingerprint(presented)
        self._on_proven(record, presented)
        return entry.key
