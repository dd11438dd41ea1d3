"""Remembers keys: who they are, never what was decided about them. It knows nothing of stores and of waiting."""

from __future__ import annotations

from cachetools import TTLCache

from gateway_auth.core.keys import VerifiedKey
from gateway_auth.core.memo import Generations
from gateway_auth.ports import ChangeBatch, Clock

MAX_KEYS = 16_384
MAX_UNKNOWN = 10_000
UNKNOWN_SECONDS = 5.0


class CachedKey:
    """A stored key in its judging form, as of `revision`, from `read_at` until `dies_at` (monotonic seconds).

    Who uses it from `refresh_at` on should have it read again meanwhile. `fingerprint` is that of the one text that was
    verified against it, None until one was.
    """

    __slots__ = ("dies_at", "fingerprint", "key", "read_at", "refresh_at", "revision")

    def __init__(self, key: VerifiedKey, revision: int, read_at: float, dies_at: float, refresh_at: float) -> None:
        self.key = key
        self.revision = revision
        self.read_at = read_at
        self.dies_at = dies_at
        self.refresh_at = refresh_at
        self.fingerprint: bytes | None = None


class PrincipalCache:
    """Known keys by key id, and, in a partition of their own so that guesses cannot push those out, unknown ids.

    That an id is a key's is remembered longer than the key: a change takes back what is known of it, not that it is.
    `known` is looked into directly on the hot path: `known[key_id]` is what `recall` gives.
    """

    def __init__(self, clock: Clock, *, max_keys: int = MAX_KEYS, max_unknown: int = MAX_UNKNOWN) -> None:
        self.known: Generations[bytes, CachedKey] = Generations(max_keys)
        self._keys: Generations[bytes, bool] = Generations(max_keys)
        self._unknown: TTLCache[bytes, int] = TTLCache(max_unknown, UNKNOWN_SECONDS, timer=clock.monotonic)

    def recall(self, key_id: bytes) -> CachedKey | None:
        """What is known of a key."""
        return self.known[key_id]

    def is_unknown(self, key_id: bytes) -> bool:
        """Whether the store said a moment ago that there is no such key."""
        return key_id in self._unknown

    def revision_of(self, key_id: bytes) -> int:
        """As of which revision something is known of an id; -1 where nothing is."""
        entry = self.known[key_id]
        return entry.revision if entry is not None else self._unknown.get(key_id, -1)

    def is_of_a_key(self, key_id: bytes) -> bool:
        """Whether there was a key of this id when the store was last asked, as far as that is remembered."""
        return self._keys[key_id] is not None

    def put(self, key_id: bytes, entry: CachedKey) -> None:
        """Remember a key."""
        self._unknown.pop(key_id, None)
        self._keys.put(key_id, True)
        self.known.put(key_id, entry)

    def put_unknown(self, key_id: bytes, revision: int = 0) -> None:
        """Remember that there was no such key as of a revision."""
        self.known.discard(key_id)
        self._keys.discard(key_id)
        self._unknown[key_id] = revision

    def discard(self, key_id: bytes) -> None:
        """Forget what is known of one id."""
        self.known.discard(key_id)
        self._unknown.pop(key_id, None)

    def forget(self, batch: ChangeBatch) -> None:
        """Forget what changed; everything, when the log no longer tells what did."""
        if not batch.is_complete:
            self.known.clear()
            self._unknown.clear()
            return
        changed_apps = set()
        for change in batch.changes:
            if change.kind == "app":
                changed_apps.add(change.object_id)
            else:
                self.discard(change.object_id.encode())
        if changed_apps:
            self.known.discard_where(lambda entry: entry.key.app.id in changed_apps)

    def __len__(self) -> int:
        return self.known.held() + len(self._unknown)
