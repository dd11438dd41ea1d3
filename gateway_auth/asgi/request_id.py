"""Request ids: unique across workers and restarts, ours on every answer. They name, they prove nothing."""

from __future__ import annotations

from itertools import count
from secrets import token_hex


class RequestIds:
    """`next_id()` is a random part of this process and a counter: unique without a system call per request."""

    __slots__ = ("_next", "_prefix")

    def __init__(self) -> None:
        self._prefix = token_hex(8)
        self._next = count(1).__next__

    def next_id(self) -> str:
        """A new id of visible ASCII."""
        return "%s%010x" % (self._prefix, self._next())
