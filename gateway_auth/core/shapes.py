"""Sequences of header names that come again and again, looked at once: which headers go on, which mean something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from gateway_auth.core.memo import Memo

Field = tuple[bytes, bytes]

_NAME = itemgetter(0)
_SEPARATOR = b"\x00"
MAX_SHAPES = 256
MAX_NAMES_BYTES = 1024


class Shape:
    """How to read one sequence of names.

    `keep` picks the headers that go on, `noted` are (kind, position) of those that mean something, `places` the same
    by kind. Where one of these comes twice, or fewer than two headers go on, the sequence must be read one by one, and
    `count` is -1. Else it is the number of names, and headers that are as many and whose joined names are the same have
    the same ones: each separator then stands between two names, and none within one.
    """

    __slots__ = ("count", "keep", "noted", "places")

    def __init__(self, kinds: list[int], kept: list[int], noted: list[int]) -> None:
        self.noted = tuple((kinds[at], at) for at in noted)
        self.places = dict(self.noted)
        is_regular = len(self.places) == len(self.noted) and len(kept) >= 2
        self.count = len(kinds) if is_regular else -1
        self.keep: Callable[[Sequence[Field]], tuple[Field, ...]] = itemgetter(*kept) if is_regular else tuple


class Shapes:
    """The shapes of what passes one place. `kind_of` a name; is a kind kept, is it noted."""

    __slots__ = ("_is_kept", "_is_noted", "_kind_of", "_shapes")

    def __init__(
        self, kind_of: Callable[[bytes], int], is_kept: Callable[[int], bool], is_noted: Callable[[int], bool]
    ) -> None:
        self._kind_of = kind_of
        self._is_kept = is_kept
        self._is_noted = is_noted
        self._shapes: Memo[bytes, Shape] = Memo(self._shape, MAX_SHAPES, MAX_NAMES_BYTES)

    def of(self, headers: Sequence[Field]) -> Shape | None:
        """The shape of these headers; None where they must be read one by one."""
        shape = self._shapes[_SEPARATOR.join(map(_NAME, headers))]
        return shape if shape.count == len(headers) else None

    def _shape(self, names: bytes) -> Shape:
        kinds = [self._kind_of(name) for name in names.split(_SEPARATOR)]
        kept = [at for at, kind in enumerate(kinds) if self._is_kept(kind)]
        noted = [at for at, kind in enumerate(kinds) if self._is_noted(kind)]
        return Shape(kinds, kept, noted)
