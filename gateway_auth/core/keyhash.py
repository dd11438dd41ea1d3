"""Digests of API keys: HMAC-SHA-256 under a pepper, several peppers while one is replaced, constant-time compare."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from hashlib import blake2b, sha256

MIN_PEPPER_BYTES = 32
MIN_DISTINCT_BYTES = 8


def pepper_id(pepper: bytes) -> str:
    """A name for a pepper that does not reveal it: stored beside each digest made with it."""
    return sha256(b"gateway-auth pepper id\0" + pepper).hexdigest()[:16]


def explain_weak_pepper(pepper: bytes) -> str | None:
    """Why `pepper` must not be used, or None. Length and variety only: randomness cannot be seen from outside."""
    if len(pepper) < MIN_PEPPER_BYTES:
        return f"is {len(pepper)} bytes long and needs at least {MIN_PEPPER_BYTES}"
    if len(set(pepper)) < MIN_DISTINCT_BYTES:
        return f"repeats itself: fewer than {MIN_DISTINCT_BYTES} different bytes"
    return None


class PepperRing:
    """The current pepper makes digests; it and the previous ones verify."""

    __slots__ = ("_peppers", "current_id", "ids", "name")

    def __init__(self, current: bytes, previous: Sequence[bytes] = ()) -> None:
        self._peppers = {pepper_id(pepper): pepper for pepper in (*previous, current)}
        self.current_id = pepper_id(current)
        self.ids = frozenset(self._peppers)
        self.name = " ".join(sorted(self.ids))
        """Tells rings apart that verify different digests. Reveals nothing of a pepper."""

    def digest(self, presented: bytes) -> bytes:
        """The digest to store, under the current pepper."""
        return hmac.digest(self._peppers[self.current_id], presented, "sha256")

    def digests(self, message: bytes) -> list[bytes]:
        """Its digest under each pepper, by which something that any of them was made for is found."""
        return [hmac.digest(pepper, message, "sha256") for pepper in self._peppers.values()]

    def verify(self, presented: bytes, digest: bytes, made_with: str) -> bool:
        """Whether `presented` has this digest under the pepper it was made with. An unknown pepper verifies nothing."""
        pepper = self._peppers.get(made_with)
        if pepper is None:
            return False
        return hmac.compare_digest(hmac.digest(pepper, presented, "sha256"), digest)

    def __repr__(self) -> str:
        return f"PepperRing(current_id={self.current_id!r})"


def fingerprinter(process_secret: bytes) -> Callable[[bytes], bytes]:
    """A keyed hash with a key of this process alone, to recognise a credential that was verified before.

    Cheaper than the peppered digest, and worthless outside this process's memory. BLAKE2 cannot be extended, so a
    secret before the text makes a MAC of it as its keyed mode does. That one spends a whole block on the key; this way
    the secret and an API key are one block. The secrets of one process are of one length.
    """
    copy = blake2b(process_secret, digest_size=32).copy

    def fingerprint(presented: bytes) -> bytes:
        state = copy()
        state.update(presented)
        return state.digest()

    return fingerprint


def token_fingerprinter(process_secret: bytes) -> Callable[[bytes], bytes]:
    """The same for tokens, which are ten times as long as a key: SHA-256, which processors have instructions for.

    The secret fills the first block. Digests never leave the process, so that the plain construction is enough.
    """
    copy = sha256(process_secret.ljust(64, b"\0")).copy

    def fingerprint(presented: bytes) -> bytes:
        state = copy()
        state.update(presented)
        return state.digest()

    return fingerprint
