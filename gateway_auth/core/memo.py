"""Maps that stay small whatever clients send: a pure function's answers, and a map that forgets the unused."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_WITH_LENGTH = (str, bytes, tuple)


class Memo(dict[K, V], Generic[K, V]):
    """`memo[key]` is `compute(key)`; a hit costs one dict look-up.

    Keys come from clients, so their number and, where they are text, their length is capped. When full it starts
    empty again: an attacker who floods it costs everybody one recomputation, which is what each request would cost
    without it. Longer keys are answered and not remembered.
    """

    __slots__ = ("_compute", "_max_entries", "_max_length")

    def __init__(self, compute: Callable[[K], V], max_entries: int = 4096, max_length: int | None = None) -> None:
        super().__init__()
        self._compute = compute
        self._max_entries = max_entries
        self._max_length = max_length

    def __missing__(self, key: K) -> V:
        value = self._compute(key)
        if self._max_length is not None and isinstance(key, _WITH_LENGTH) and len(key) > self._max_length:
            return value
        if len(self) >= self._max_entries:
            self.clear()
        self[key] = value
        return value


class Generations(dict[K, V | None], Generic[K, V]):
    """A map of at most about `max_entries` that forgets what was not used for longest, roughly.

    `map[key]` is the entry or None. The map itself is the young generation; when it is half of the whole it becomes the
    old one, and what the old one still held is forgotten. An entry used while old is young again. So a hit costs one
    plain dict look-up, where an exact LRU moves an entry on every read.
    """

    __slots__ = ("_half", "_old")

    def __init__(self, max_entries: int) -> None:
        super().__init__()
        self._half = max(1, max_entries // 2)
        self._old: dict[K, V | None] = {}

    def __missing__(self, key: K) -> V | None:
        value = self._old.pop(key, None)
        if value is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Make or replace an entry."""
        if len(self) >= self._half and key not in self:
            self.rotate()
        self[key] = value
        self._old.pop(key, None)

    def rotate(self) -> None:
        """Forget the old generation; the young one is old from now on."""
        self._old = dict(self)
        super().clear()

    def discard(self, key: K) -> None:
        """Forget one entry."""
        self.pop(key, None)
        self._old.pop(key, None)

    def discard_where(self, is_unwanted: Callable[[V], bool]) -> None:
        """Forget every entry of which that is true; looks at all of them."""
        for key, value in (*self.items(), *self._old.items()):
            if value is not None and is_unwanted(value):
                self.discard(key)

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._old = {}

    def held(self) -> int:
        """How many entries there are in both generations."""
        return len(self) + len(self._old)
