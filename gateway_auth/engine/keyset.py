"""Which key of one set a token means. It knows neither where the set came from nor how old it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gateway_auth.ports import VerificationKey

KeyName = tuple[str | None, str]
"""`kid` (None where the set gives the key none) and algorithm."""


class NoSuchKey:
    """The answer for a token that names no key which could have signed it."""


NO_SUCH_KEY = NoSuchKey()


class KeySet:
    """The keys of one issuer, as they were read once. `names` is in the order of the set."""

    def __init__(self, keys: Sequence[VerificationKey] = ()) -> None:
        self.names: tuple[KeyName, ...] = tuple((key.key_id, key.algorithm) for key in keys)
        self._key_ids = frozenset(key.key_id for key in keys)
        bearers, peers = Counter(self.names), Counter(key.algorithm for key in keys)
        self._named: dict[KeyName, VerificationKey | NoSuchKey] = {}
        self._only: dict[str, VerificationKey | NoSuchKey] = {}
        for name, key in zip(self.names, keys, strict=True):
            # Of two that bear one name, nobody can know which is meant; trying both would make either good for all.
            self._named[name] = key if bearers[name] == 1 else NO_SUCH_KEY
            self._only[key.algorithm] = key if peers[key.algorithm] == 1 else NO_SUCH_KEY

    def find(self, algorithm: str, key_id: str | None) -> VerificationKey | NoSuchKey | None:
        """The key a token means; that it means none, or one of another algorithm; None for a key not known here.

        Without a `kid` it means the only key of its algorithm. A key that was given no name is meant by every `kid`
        (RFC 7515 section 4.1.4: a hint) where it is the only one of its algorithm: a shared secret, usually.
        """
        only = self._only.get(algorithm)
        if key_id is None:
            return only
        key = self._named.get((key_id, algorithm))
        if key is not None:
            return key
        if key_id in self._key_ids:
            return NO_SUCH_KEY
        return only if only is not None and not isinstance(only, NoSuchKey) and only.key_id is None else None

    def gone_in(self, other: KeySet) -> frozenset[KeyName]:
        """The names that meant a key here and do not mean an equal one in `other`."""
        return frozenset(
            name for name, key in self._named.items() if key is not NO_SUCH_KEY and other._named.get(name) != key
        )
