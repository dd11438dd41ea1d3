"""Request ids: unique across workers and restarts, ours on every answer. They name, they prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, repeat
from secrets import token_hex

from gateway_auth.asgi.types import Header


def request_ids() -> Callable[[], Header]:
    """A function whose every call gives a new id as the header that tells it: a random part of this process, a counter.

    Built of C iterators, so that an id costs no system call and no Python frame.
    """
    ids = map(f"{token_hex(8)}-%d".encode().__mod__, count(1))
    return zip(repeat(b"x-request-id"), ids, strict=False).__next__
